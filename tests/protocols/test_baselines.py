"""Tuned options apply to the protocol, tier and scenario that they were found for."""

import tomllib
from pathlib import Path

import pytest

from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import suite
from nanocl.protocols.baselines import baseline, tuned_options
from nanocl.protocols.request import Request


def specs(**values):
    return suite.specs(Request(**values), Catalogue())


def test_a_baseline_is_used_for_its_tier_and_scenario_alone_and_a_setting_wins():
    tuned = specs(stream="split-mnist", scenario="task", strategies=("ewc",))[0]
    assert tuned.options_from == "tuned" and tuned.strategy[0].options["strength"] == 1000.0
    assert (
        specs(stream="split-mnist", scenario="class", strategies=("ewc",))[0].options_from
        == "default"
    )
    other = specs(stream="split-mnist", scenario="task", strategies=("ewc",), model="small-cnn")[0]
    assert other.options_from == "set", "tuned for another protocol"
    own = specs(
        stream="split-mnist",
        scenario="task",
        strategies=("ewc",),
        settings={"ewc": {"strength": "5"}},
    )[0]
    assert own.options_from == "set" and own.strategy[0].options["strength"] == 5.0


BASELINES = sorted((Path(__file__).parents[2] / "baselines").glob("*/*.toml"))


@pytest.mark.parametrize("path", BASELINES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_baseline_says_how_it_was_found_and_has_options_of_its_own_composition(path):
    entries = tomllib.loads(path.read_text())["baseline"]
    for entry in entries:
        assert set(entry) == {"tier", "scenario", "how", "options"} and entry["how"]
        assert set(entry["options"]) <= set(path.stem.split("+"))
        found = baseline(path.parent.name, entry["tier"], entry["scenario"], path.stem)
        assert found == entry


def test_without_a_baseline_there_are_no_tuned_options():
    assert baseline("split-mnist", "paper", "domain", "nothing") == {}
    assert tuned_options("no-protocol", "cpu", "class", "adam") == {}
