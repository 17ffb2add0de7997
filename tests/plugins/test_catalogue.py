"""Plugins are found by name, read without being run, and refused with a helpful sentence."""

import textwrap

import pytest

from nanocl.plugins import catalogue
from nanocl.plugins.catalogue import KINDS, Catalogue, UnknownPlugin
from nanocl.plugins.values import UnknownOption
from nanocl.records import UserError

TOY = '''
from nanocl.strategies import Strategy

class Toy(Strategy):
    """Does nothing in particular.

    Source: a test.
    """

    citation = "@misc{toy}"
    scenarios = ("task",)

    def __init__(self, *, strength: float = 1.0, steps: int = 3, name: str = "x", on: bool = False,
                 limit: float | None = None) -> None:
        super().__init__()
'''


@pytest.fixture
def toy(tmp_path):
    path = tmp_path / "my_toy.py"
    path.write_text(TOY)
    return path


def test_a_file_of_the_users_is_a_plugin_under_its_file_name(toy):
    plugin = Catalogue([toy]).plugin("strategies", "my-toy")
    assert (plugin.class_name, plugin.summary, plugin.citation) == (
        "Toy",
        "Does nothing in particular.",
        "@misc{toy}",
    )
    assert plugin.scenarios == ("task",) and not plugin.brings_optimizer


def test_installed_plugins_are_sorted_once_for_all_catalogues(toy, monkeypatch):
    installed = Catalogue().plugins("strategies")
    monkeypatch.setattr(catalogue, "_by_name", None)
    assert Catalogue().plugins("strategies") == installed
    monkeypatch.undo()
    assert {*Catalogue([toy]).plugins("strategies")} == {*installed, "my-toy"}
    assert "my-toy" not in Catalogue().plugins("strategies")


def test_every_default_is_filled_in_and_text_is_converted(toy):
    part = Catalogue([toy]).complete(
        "strategies", "my-toy", {"strength": "2e-3", "on": "true", "limit": "none"}
    )
    assert part.options == {"strength": 0.002, "steps": 3, "name": "x", "on": True, "limit": None}


def test_an_edited_plugin_file_is_another_plugin(toy):
    before = Catalogue([toy]).complete("strategies", "my-toy", {}).plugin
    toy.write_text(TOY + "\n# edited\n")
    assert Catalogue([toy]).complete("strategies", "my-toy", {}).plugin != before


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("steps", "2.5"),
        ("steps", 2.5),
        ("strength", "fast"),
        ("on", "maybe"),
        ("steps", True),
        ("name", 3),
        ("strength", "nan"),
        ("strength", "inf"),
        ("strength", float("-inf")),
        ("limit", "1e999"),
        ("strength", 10**400),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_with_the_right_type(toy, option, value):
    with pytest.raises(UnknownOption, match=f"my-toy.{option} must be of type"):
        Catalogue([toy]).complete("strategies", "my-toy", {option: value})


def test_a_misspelt_name_or_option_brings_the_nearest(toy):
    with pytest.raises(UnknownPlugin, match="did you mean 'my-toy'"):
        Catalogue([toy]).plugin("strategies", "my-toi")
    with pytest.raises(UnknownOption, match="did you mean 'strength'"):
        Catalogue([toy]).complete("strategies", "my-toy", {"strenght": 1})


def test_a_name_found_twice_is_an_error(tmp_path):
    path = tmp_path / "adamw.py"
    path.write_text(TOY)
    with pytest.raises(UserError, match="two strategies are called 'adamw'"):
        Catalogue([path]).plugins("strategies")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class Broken(Strategy:\n", "syntax error in line 1"),
        ("x = 1\n", "holds no plugin"),
        ("class Lion(SGD):\n    pass\n", r"is named with its class: .*\.py:Lion"),
        (TOY.replace("steps: int = 3", "steps=3"), "needs a default and a type"),
        (TOY.replace("steps: int = 3", "steps: int"), "needs a default and a type"),
        (
            TOY.replace("strength: float = 1.0", "strength: float = 1 / 3"),
            r"default of the option 'strength'.*got 1 / 3",
        ),
        (
            TOY.replace("steps: int = 3", "steps: int = STEPS"),
            "default of the option 'steps' of Toy must be a plain value",
        ),
        (TOY.replace("steps: int = 3", "steps: int = 'x'"), "of type int.*got 'x'"),
        (
            TOY.replace("strength: float = 1.0", "strength: float = 1e999"),
            "default of the option 'strength'",
        ),
        (
            TOY.replace("*, strength", "strength"),
            r"'strength' of Toy must be keyword-only: write __init__\(self, \*, stre",
        ),
        (
            TOY.replace("(Strategy)", "(EWC)"),
            "Toy must derive from Strategy, Stream or Module itself, got EWC",
        ),
        (
            TOY.replace('("task",)', '("tasks",)'),
            r"Toy.scenarios must be a tuple of some of .*got \('tasks',\)",
        ),
        (TOY.replace('("task",)', '"task"'), "Toy.scenarios must be a tuple"),
        (TOY.replace('("task",)', "ALL"), "Toy.scenarios must be a tuple of some of .*got ALL"),
        (TOY.replace("citation =", "citations ="), "Toy.citations must be names with BibTeX"),
        (
            TOY.replace('"@misc{toy}"', "BIBTEX"),
            "Toy.citation must be BibTeX written out in the class, got BIBTEX",
        ),
    ],
)
def test_a_file_that_is_no_plugin_is_refused_in_one_sentence(tmp_path, text, message):
    path = tmp_path / "broken.py"
    path.write_text(textwrap.dedent(text))
    with pytest.raises(UserError, match=message) as error:
        Catalogue([path]).plugins("strategies")
    assert "\n" not in str(error.value)


def test_a_misspelt_hook_is_refused_when_the_file_is_loaded(tmp_path):
    path = tmp_path / "hooked.py"
    path.write_text(TOY + "\n    def before_bakward(self, strategy, **kwargs):\n        pass\n")
    plugin = Catalogue([path]).plugin("strategies", "hooked")
    with pytest.raises(UserError, match="did you mean 'before_backward'"):
        catalogue.load(plugin)


def test_a_model_takes_the_shape_of_its_inputs_and_keyword_only_options(tmp_path):
    path = tmp_path / "flat.py"
    path.write_text(
        "class Flat(nn.Module):\n    def __init__(self, inputs, *, width: int = 3): ...\n"
    )
    assert Catalogue([path]).plugin("models", "flat").options == {"width": (("int",), 3)}
    path.write_text("class Flat(nn.Module):\n    def __init__(self, inputs, width: int = 3): ...\n")
    with pytest.raises(UserError, match=r"write __init__\(self, inputs, \*, width"):
        Catalogue([path]).plugins("models")


def test_every_plugin_of_ours_says_what_it_is_and_where_it_comes_from():
    for kind in KINDS:
        for plugin in Catalogue().plugins(kind).values():
            assert plugin.summary, f"{plugin.path} has no summary"
            assert plugin.citation.lstrip().startswith("@"), f"{plugin.path} has no BibTeX"


def test_options_added_later_are_part_of_a_spec_only_where_they_are_set(tmp_path):
    def identity(text, values):
        (tmp_path / "made.py").write_text(text)
        part = Catalogue([tmp_path / "made.py"]).complete("streams", "made", values)
        return {**part.identity(), "source": ""}, part

    first = (
        "from nanocl.streams import Stream\n\n\nclass Made(Stream):\n"
        "    def __init__(self, *, size: int = 3) -> None: ...\n"
    )
    later = first.replace("size: int = 3", "size: int = 3, depth: int = 7").replace(
        "    def", "    later_options = ('depth',)\n\n    def"
    )
    before, _ = identity(first, {"size": 4})
    assert identity(later, {"size": 4})[0] == before == identity(later, {"size": 4, "depth": 7})[0]
    changed, part = identity(later, {"size": 4, "depth": "8"})
    assert changed != before and part.options == {"size": 4, "depth": 8}


@pytest.mark.parametrize(
    ("name", "option", "hint"),
    [
        ("adamw", "learning_rate", "did you mean 'lr'"),
        ("sgd", "wd", "did you mean 'weight_decay'"),
        ("er", "buffer_size", "did you mean 'memory_size'"),
        ("adamw", "batch_size", "it is one of the training: training.batch_size"),
        ("adamw", "num_epochs", "it is one of the training: training.epochs"),
    ],
)
def test_an_option_by_another_name_is_told_under_ours(name, option, hint):
    with pytest.raises(UnknownOption, match=hint):
        Catalogue().complete("strategies", name, {option: "1"})
