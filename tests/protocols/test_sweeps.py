"""A sweep is one run for each value, and a malformed one is refused."""

import pytest

from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import suite
from nanocl.protocols.request import Request
from nanocl.records import UserError

SWEPT = """
scenario = "class"
model = "mlp"
strategies = ["adamw", "large", "ewc", "ewc+sgd"]
seeds = 2
stream = { family = "split", data = "digits" }
sweep = { lr = [0.1, 0.2], large = { lr = [0.3], density = [0.1, 0.2, 0.3] } }

[options]
nanoadam = { mask_interval = 7 }

[arm.large]
strategy = "nanoadam"
options.nanoadam = { select = "large" }

[tier.cpu]
[tier.smoke.sweep]
lr = [0.5]
"""


def specs(**values):
    return suite.specs(Request(**values), Catalogue())


@pytest.fixture
def swept(tmp_path):
    path = tmp_path / "swept.toml"
    path.write_text(SWEPT)
    return lambda **values: specs(stream=str(path), **values)


def options_of(runs, name):
    return [
        tuple(part.options.get(n) for n in ("lr", "density", "select", "mask_interval"))
        for run in runs
        if run.strategy_name == name
        for part in run.strategy[-1:]
    ]


def test_a_sweep_is_a_run_for_each_value_of_what_brings_the_optimizer(swept):
    runs = swept(seeds=(0,))
    assert (
        [lr for lr, *_ in options_of(runs, "adamw")]
        == [lr for lr, *_ in options_of(runs, "ewc+sgd")]
        == [0.1, 0.2]
    )
    assert len(options_of(runs, "ewc")) == 1, "it brings no optimizer"
    assert options_of(runs, "nanoadam") == [
        (0.3, density, "large", 7) for density in (0.1, 0.2, 0.3)
    ]
    assert {run.options_from for run in runs if run.strategy_name != "ewc"} == {"sweep"}
    assert len({run.digest for run in swept()}) == 2 * len(runs)


def test_what_is_set_is_not_swept_and_a_tier_has_its_own_sweep(swept):
    fixed = swept(strategies=("large", "adamw"), seeds=(0,), settings={"nanoadam": {"lr": "0.9"}})
    assert [row[:2] for row in options_of(fixed, "nanoadam")] == [
        (0.9, density) for density in (0.1, 0.2, 0.3)
    ]
    assert [row[0] for row in options_of(fixed, "adamw")] == [0.1, 0.2]
    assert [
        row[0]
        for row in options_of(swept(strategies=("adamw",), seeds=(0,), tier="smoke"), "adamw")
    ] == [0.5]


def test_a_sweep_reaches_the_options_of_every_part(tmp_path):
    path = tmp_path / "both.toml"
    both = '"ewc+sgd" = { lr = [0.1, 0.2], "ewc.strength" = [1, 10, 100] }'
    path.write_text(SWEPT.replace("sweep = { lr = [0.1, 0.2]", f"sweep = {{ {both}"))
    asked = {"stream": str(path), "strategies": ("ewc+sgd",), "seeds": (0,)}

    def settings(**values):
        runs = specs(**asked, **values)
        return [(r.strategy[0].options["strength"], r.strategy[1].options["lr"]) for r in runs]

    assert settings() == [(s, lr) for lr in (0.1, 0.2) for s in (1.0, 10.0, 100.0)]
    fixed = settings(settings={"ewc": {"strength": "5"}})
    assert fixed == [(5.0, 0.1), (5.0, 0.2)]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("lr = [0.1, 0.2]", "lr = 0.1", "sweep must be a table of lists"),
        ('strategy = "nanoadam"', 'strategi = "nanoadam"', "arm must be a table for each name"),
        ("density = [0.1, 0.2, 0.3]", "densiti = [0.1]", "did you mean 'density'"),
        ("density = [0.1, 0.2, 0.3]", '"ewc.strength" = [0.1]', "large has no part 'ewc'"),
    ],
)
def test_a_sweep_that_makes_no_sense_is_refused(tmp_path, before, after, message):
    path = tmp_path / "wrong.toml"
    path.write_text(SWEPT.replace(before, after))
    with pytest.raises(UserError, match=message):
        specs(stream=str(path))


def rates(runs, option="lr"):
    return [run.strategy[-1].options[option] for run in runs]


def test_several_values_of_the_caller_are_a_run_each():
    runs = specs(strategies=("ewc+sgd",), seeds=(0,), settings={"sgd": {"lr": "0.1,1e-2"}})
    assert rates(runs) == [0.1, 0.01] and {run.options_from for run in runs} == {"sweep"}
    settings = {"ewc": {"strength": "1,10"}, "sgd": {"lr": (0.1, 0.2), "momentum": "0.5"}}
    runs = specs(strategies=("ewc+sgd",), seeds=(0,), settings=settings)
    parts = [run.strategy for run in runs]
    values = [(ewc.options["strength"], sgd.options["lr"]) for ewc, sgd in parts]
    assert values == [(1.0, 0.1), (1.0, 0.2), (10.0, 0.1), (10.0, 0.2)]
    assert {sgd.options["momentum"] for _, sgd in parts} == {0.5}


def test_values_of_the_caller_come_instead_of_the_protocols_sweep(swept):
    runs = swept(strategies=("adamw",), seeds=(0,), settings={"adamw": {"lr": "1e-3,1e-4"}})
    assert rates(runs) == [1e-3, 1e-4]


def test_one_value_and_a_text_with_a_comma_are_no_sweep():
    (run,) = specs(strategies=("sgd",), seeds=(0,), settings={"sgd": {"lr": "0.1"}})
    assert run.options_from == "set"
    with pytest.raises(UserError, match=r"got '1,2'; only options of strategies"):
        specs(strategies=("sgd",), settings={"training": {"epochs": "1,2"}})
    with pytest.raises(UserError, match=r"adamw.lr must be of type float \(finite\), got 'x'"):
        specs(strategies=("adamw",), settings={"adamw": {"lr": "1e-3,x"}})


def test_a_short_learning_rate_is_that_of_the_one_optimizer():
    (run,) = specs(strategies=("ewc+sgd",), seeds=(0,), lr="0.25")
    assert rates([run]) == [0.25] and run.options_from == "set"
    two = specs(strategies=("ewc+sgd", "sgd"), seeds=(0,), lr="0.1,0.2")
    assert rates(two) == [0.1, 0.2, 0.1, 0.2]
    with pytest.raises(UserError, match="--lr is ambiguous, adamw and sgd have one each"):
        specs(strategies=("adamw", "sgd"), lr="0.1")
    with pytest.raises(UserError, match=r"--lr: ewc names no optimizer; write ewc\+adamw"):
        specs(strategies=("ewc",), lr="0.1")
