"""Rows that this version of nanocl would measure again."""

from dataclasses import replace

import pytest
from making import a_result, a_spec

from nanocl.plugins.catalogue import INSTALLED
from nanocl.protocols import suite
from nanocl.protocols.request import Request
from nanocl.reporting import leaderboard, outdated, tables
from nanocl.reporting.summaries import summarise


def parts(strategy):
    return suite.specs(Request(strategies=(strategy,), seeds=(0,)), INSTALLED)[0].strategy


@pytest.mark.parametrize("strategy", ["adamw", "ewc", "ewc+nanoadam", "ewc+adamw", "sgd"])
def test_what_would_be_run_today_is_not_outdated(strategy):
    assert not outdated.is_outdated(parts(strategy))


@pytest.mark.parametrize("strategy", ["adamw", "ewc", "ewc+adamw"])
def test_a_version_below_that_of_today_is(strategy):
    older = [replace(part, version=1) for part in parts(strategy)]
    assert outdated.is_outdated(older)


def test_a_plugin_of_a_user_or_of_another_package_is_not_known_to_be():
    (part,) = parts("adamw")
    assert not outdated.is_outdated([replace(part, version=1, plugin="0123456789ab")])
    assert not outdated.is_outdated([replace(part, name="someone-elses", version=1)])


def test_the_note_names_the_rows():
    runs = [a_result(a_spec(name)) for name in ("adamw", "sgd", "ewc")]
    assert list(outdated.rows(summarise(runs[1:2]))) == []
    (note,) = outdated.rows(summarise(runs))
    assert note.endswith("measure them again: adamw, ewc")


def test_leaderboard_and_tables_say_so():
    rows = summarise([a_result(a_spec(name, seed)) for name in ("adamw", "sgd") for seed in (0, 1)])
    for page in (leaderboard.leaderboard(rows), tables.document(rows, "markdown")):
        assert "measure them again: adamw" in page
