"""A protocol file is read, and resolved at a tier and scenario."""

import pytest
from protocol_files import GOOD, specs

from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import protocol, suite
from nanocl.protocols.request import Request
from nanocl.records import UserError


def test_a_protocol_of_the_users_runs_as_written(tmp_path):
    runs = specs(tmp_path, GOOD)
    assert {run.protocol for run in runs} == {"mine"} and len(runs) == 4
    assert [run.options_from for run in runs[:2]] == ["default", "set"] and runs[1].strategy[
        0
    ].options["lr"] == 0.1
    assert specs(tmp_path, GOOD, scenario="task")[0].training.epochs == 2


def test_a_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / "mine.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"mine\.toml is not valid TOML"):
        suite.specs(Request(stream=str(tmp_path / "mine.toml")), Catalogue())


def test_what_the_caller_sets_wrongly_is_not_blamed_on_the_file(tmp_path):
    with pytest.raises(UserError, match=r"^sgd.lr must be"):
        specs(tmp_path, GOOD, settings={"sgd": {"lr": "fast"}})


def test_later_tables_win_in_the_documented_order():
    tables = {
        "scenario": "class",
        "stream": {"family": "split", "experiences": 1},
        "for": {"task": {"stream": {"experiences": 3}}},
        "tier": {
            "cpu": {
                "stream": {"experiences": 2},
                "for": {"task": {"training": {"epochs": 4}}},
            }
        },
    }
    assert protocol.at(tables, "cpu")["stream"] == {"family": "split", "experiences": 2}
    task = protocol.at(tables, "cpu", "task")
    assert task["stream"]["experiences"] == 3 and task["training"] == {"epochs": 4}
    with pytest.raises(UserError, match="no tier 'paper'"):
        protocol.at(tables, "paper")


def test_a_protocol_is_ranked_by_average_accuracy_unless_it_names_a_score():
    plasticity = {"score": "online_accuracy", "for": {"task": {"score": "average_accuracy"}}}
    assert protocol.at({}, "cpu")["score"] == "average_accuracy"
    assert protocol.at(plasticity, "cpu")["score"] == "online_accuracy"
    assert protocol.at(plasticity, "cpu", "task")["score"] == "average_accuracy"


def test_protocols_stand_in_the_order_of_their_names():
    names = list(protocol.protocols())
    assert names == sorted(names)  # `a.toml` comes after `a-b.toml`
