"""The records of a protocol become points of its arms."""

from dataclasses import replace

from making import a_result

from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import suite
from nanocl.protocols.request import Request
from nanocl.studies.finetune import claims
from nanocl.studies.finetune.page import sweep_page
from nanocl.studies.finetune.points import SWITCHES, sweeps


def test_the_records_of_a_protocol_become_points_of_its_arms_wherever_they_were_measured():
    runs = suite.specs(Request(stream="finetune-flowers"), Catalogue())
    kept = [run for run in runs if run.seed < 3]
    results = [
        a_result(
            replace(run, data="other machine", model=replace(run.model, weights="0123")),
            ((0.9, 0.01), (0.5, 0.4)),
            initial=(0.9, 0.01),
            status="ok",
        )
        for run in kept
    ]
    results[0] = replace(
        results[0], status="diverged", evaluation=((0.9, 0.01),), drift=results[0].drift[:1]
    )
    results.append(replace(results[1], spec=replace(results[1].spec, data="another data set")))
    (measured_sweep,) = sweeps([*results, a_result()])
    assert (measured_sweep.measured, measured_sweep.wanted) == (len(kept), len(runs))
    assert {
        "adamw",
        "nanoadam",
        "random",
        "large",
        "gradient",
        "static-small",
        "head+norms",
    } <= measured_sweep.arms.keys()
    for seeds in measured_sweep.arms.values():
        rates = [p.lr for p in seeds[0]]
        assert list(seeds) == [0, 1, 2] and rates == sorted(set(rates)) and len(rates) > 1
    assert (
        sum(
            p.new is None
            for seeds in measured_sweep.arms.values()
            for points in seeds.values()
            for p in points
        )
        == 1
    )
    assert {(p.before, p.old) for p in measured_sweep.arms["sgd"][1]} == {(0.9, 0.5)}
    both = [measured_sweep, *(replace(measured_sweep, switch=switch) for switch in SWITCHES)]
    assert all(claim.verdict != "not measured" for claim in claims.sweep_claims(both))


def test_a_switch_of_the_stream_makes_a_comparison_of_its_own_that_no_other_claim_counts():
    def records(**settings):
        runs = suite.specs(
            Request(stream="finetune-halves", strategies=("adamw", "nanoadam"), settings=settings),
            Catalogue(),
        )
        return [a_result(run, ((0.9, 0.01), (0.5, 0.4)), initial=(0.9, 0.01)) for run in runs]

    plain, frozen = sweeps([*records(), *records(stream={"norm_statistics": "freeze"})])
    assert (plain.name, frozen.name) == ("finetune-halves", "finetune-halves-freeze")
    assert plain.measured == frozen.measured == frozen.wanted < plain.wanted
    assert "frozen" in sweep_page(frozen) and "frozen" not in sweep_page(plain)
    rows = claims.sweep_claims([plain, frozen])
    assert [len(row.findings) for row in rows if "nanoadam - adamw higher" in row.rule] == [
        1,
        1,
        1,
        0,
    ]
