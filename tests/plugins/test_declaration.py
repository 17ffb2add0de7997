"""What a plugin file declares is read from its text."""

import pytest

from nanocl.plugins import catalogue
from nanocl.plugins.catalogue import INSTALLED, Catalogue
from nanocl.records import UserError

STRATEGY = """
from nanocl.strategies import Strategy


class Mine(Strategy):
    \"\"\"Does nothing.

    Source: a test.
    \"\"\"

    citation = "@misc{{mine}}"
    {constant}
"""


def plugin(tmp_path, constant):
    path = tmp_path / "mine.py"
    path.write_text(STRATEGY.format(constant=constant))
    return Catalogue([path]).plugin("strategies", "mine")


def test_a_version_is_declared_and_1_without_one(tmp_path):
    assert plugin(tmp_path, "").version == 1
    assert plugin(tmp_path, "version = 3").version == 3
    assert plugin(tmp_path, "version: int = 2").version == 2


@pytest.mark.parametrize(
    ("constant", "message"),
    [
        ("version = 0", "version must be a whole number from 1.*got 0"),
        ("version = True", "version must be a whole number from 1.*got True"),
        ("version = 1 + 1", r"version must be a whole number from 1.*got 1 \+ 1"),
        ("citation = 3", "citation must be BibTeX"),
        ("citations = {'a': 1}", "citations must be names with BibTeX"),
        ("scenarios = ('tasks',)", "scenarios must be a tuple of some of 'class'"),
        ("hidden_options = ['lr']", "hidden_options must be a tuple of names"),
    ],
)
def test_a_malformed_constant_is_refused_with_the_right_form(tmp_path, constant, message):
    with pytest.raises(UserError, match=message):
        plugin(tmp_path, constant)


def test_a_version_above_1_is_in_the_part_and_the_digest(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(STRATEGY.format(constant="version = 2"))
    part = Catalogue([path]).complete("strategies", "mine", {})
    assert part.version == 2 and part.identity()["version"] == 2


@pytest.mark.parametrize("kind", catalogue.KINDS)
def test_the_declared_version_is_that_of_the_class(kind):
    for declared in INSTALLED.plugins(kind).values():
        cls = catalogue.load(declared)
        inner = getattr(getattr(cls, "optimizer_class", None), "version", 1)
        assert declared.version == getattr(cls, "version", 1) + inner - 1


def test_only_options_that_are_numbers_on_a_scale_are_tuned(tmp_path):
    """A trial of `memory_size = 31.6` would fail."""
    path = tmp_path / "mine.py"
    path.write_text(
        'class Mine(Strategy):\n    search_space = {"size": (1, 9)}\n\n'
        "    def __init__(self, *, size: int = 3): ...\n"
    )
    with pytest.raises(UserError, match="search_space takes options of type float; size is int"):
        Catalogue([path])
