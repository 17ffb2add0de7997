"""The committed records, read once: protocols, published numbers and pages agree with them."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from nanocl import report
from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import protocol, suite
from nanocl.protocols.request import Request
from nanocl.records import store
from nanocl.reporting import outdated, reproduction

RESULTS = Path(__file__).resolve().parents[1] / "results"
OLDER = {"split-cifar10"}  # an hour of AdamW before it was fused; its page says so


@pytest.fixture(scope="module")
def committed():
    """The results of all records, and what is wrong with others."""
    return store.load_all(RESULTS)


def specs(**values):
    return suite.specs(Request(**values), Catalogue())


def anywhere(spec):
    """The digest without seed, data and file of weights, which a protocol does not say."""
    return replace(
        spec, seed=0, data="", model=replace(spec.model, weights="", pretrained_on="")
    ).digest


def test_every_committed_record_has_the_digest_that_is_asked_for_today(committed):
    """What is in a protocol finds its records, so that nothing is measured twice."""
    found, problems = committed
    assert found and not problems
    origins = {}
    for name, tier, scenario in {
        (run.spec.protocol, run.spec.tier, run.spec.scenario) for run in found
    }:
        switches = ("update", "freeze", "restore") if "finetune" in name else ()
        for settings in [{"stream": {"norm_statistics": value}} for value in switches] or [{}]:
            named = {run.spec.strategy_name for run in found if run.spec.protocol == name}
            for strategies in (tuple(named), ()):  # an arm may be tuned to the defaults
                origins |= {
                    anywhere(spec): spec.options_from
                    for spec in specs(
                        stream=name,
                        tier=tier,
                        scenario=scenario,
                        strategies=strategies,
                        seeds=(0,),
                        settings=settings,
                    )
                }
    for spec in (run.spec for run in found):
        if outdated.is_outdated(spec.strategy):
            assert spec.protocol in OLDER
        else:
            assert origins[anywhere(spec)] == spec.options_from


def test_every_published_number_of_the_committed_records_agrees(committed):
    rows = reproduction.compare(protocol.protocols(), committed[0])
    assert rows and all(row.agrees for row in rows), [row for row in rows if not row.agrees]
    gates = {(row.scenario, row.strategy) for row in rows if row.gate and row.score == "ACC"}
    assert gates == {
        ("class", "er+adam"),
        ("class", "joint+adam"),
        ("task", "adam"),
        ("task", "sgd"),
        ("task", "adagrad"),
    }
    others = {(row.score, row.strategy) for row in rows if row.gate and row.score != "ACC"}
    scores = ("retention", "final retention", "relearning")
    assert others == set(itertools.product(scores, ("adam", "sgd")))


def test_the_committed_pages_are_what_the_committed_records_say(committed, monkeypatch, capsys):
    """As `python -m nanocl.report --check` says, with the records that are read already."""
    monkeypatch.setattr(store, "load_all", lambda root: tuple(map(list, committed)))
    code = report.main(["--check", "--results", str(RESULTS)])
    assert code == 0, capsys.readouterr().err
