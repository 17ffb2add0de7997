"""Which values are tried."""

import pytest

from nanocl.plugins.catalogue import INSTALLED, Catalogue
from nanocl.records import UserError
from nanocl.tuning import space
from nanocl.tuning.space import Axis

RATE = Axis("sgd", "lr", (0.01, 0.1, 1.0))


def test_an_optimizer_is_tried_at_six_values_at_equal_ratios():
    (axis,) = space.axes(["adamw"], INSTALLED)
    assert (axis.part, axis.option) == ("adamw", "lr")
    assert axis.values == (0.0001, 0.00032, 0.001, 0.0032, 0.01, 0.032)


def test_a_composition_is_tried_at_every_pair_of_its_two_options_the_optimizers_first():
    tuned = space.axes(["ewc", "sgd"], INSTALLED)
    assert [(axis.part, len(axis.values)) for axis in tuned] == [("sgd", 6), ("ewc", 4)]
    assert tuned[1].values == (10, 100, 1000, 10000)
    settings = space.grid(tuned)
    assert len(settings) == len(set(settings)) == 24
    assert space.text(settings[0]) == "sgd.lr=0.001 ewc.strength=10"


def test_an_optimizer_of_another_library_is_tried_around_the_default_of_its_learning_rate():
    (axis,) = space.axes(["torch:NAdam"], INSTALLED)
    assert axis.values[0] == pytest.approx(0.002 / 10) and axis.values[2] == pytest.approx(0.002)


@pytest.mark.parametrize(
    "name", [name for name, plugin in INSTALLED.plugins("strategies").items() if plugin.options]
)
def test_every_strategy_with_a_learning_rate_or_strength_declares_its_range(name):
    plugin = INSTALLED.plugin("strategies", name)
    for option in {"lr", "strength"} & set(plugin.options):
        low, high = plugin.search_space[option]
        assert low <= plugin.options[option][1] <= high


@pytest.mark.parametrize(
    ("end", "values"),
    [("low", (0.0001, 0.001, 0.01, 0.1, 1.0)), ("high", (0.01, 0.1, 1.0, 10.0, 100.0))],
)
def test_a_grid_grows_by_two_values_at_the_ratio_of_the_others(end, values):
    assert RATE.grown(end).values == values


def test_the_ends_of_a_grid_are_found_on_each_axis():
    pair = (RATE, Axis("ewc", "strength", (1.0, 10.0)))
    ends = [
        space.edges((("sgd", "lr", a), ("ewc", "strength", b)), pair)
        for a, b in ((0.1, 1.0), (0.01, 10.0))
    ]
    assert ends == [[(1, "low")], [(0, "low"), (1, "high")]]
    assert space.edges((("sgd", "lr", 0.1),), [RATE]) == []


def test_a_composition_without_a_declared_range_is_refused():
    with pytest.raises(UserError, match="er has nothing to tune"):
        space.axes(["er"], INSTALLED)


def test_a_range_must_name_an_option_of_the_class(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "from nanocl.strategies import Strategy\n\n\nclass Mine(Strategy):\n"
        '    """Mine."""\n\n    search_space = {"strenght": (1, 10)}\n\n'
        "    def __init__(self, *, strength: float = 1.0) -> None:\n        super().__init__()\n"
    )
    with pytest.raises(UserError, match="'strenght'; did you mean 'strength'"):
        Catalogue((path,)).plugin("strategies", "mine")
    path.write_text(path.read_text().replace("strenght", "strength").replace("(1, 10)", "(10, 1)"))
    with pytest.raises(UserError, match=r"search_space must be options with \(lowest, highest\)"):
        Catalogue((path,)).plugin("strategies", "mine")
