"""The records of a protocol become points of its arms."""

from dataclasses import replace

from making import a_result

from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import suite
from nanocl.protocols.request import Request
from nanocl.studies.finetune import claims
from nanocl.studies.finetune.claimed import PLAIN
from nanocl.studies.finetune.grids import unlike
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
    assert {point.held_new for point in measured_sweep.points()} == {None}
    both = [measured_sweep, *(replace(measured_sweep, switch=switch) for switch in SWITCHES)]
    # which this protocol has not, or not with a head rate of their own
    later = ("L2-SP", "WiSE-FT", "GaLLoP", "EWC on AdamW forgets", "LoRA forgets", "selected once,")
    for claim in claims.sweep_claims(both):
        assert claim.settings or any(name in claim.claim for name in later)


def test_a_point_has_the_accuracies_on_held_out_data_of_its_record():
    runs = suite.specs(Request(stream="finetune-halves", strategies=("adamw",)), Catalogue())
    result = a_result(runs[0], ((0.9, 0.01), (0.5, 0.4)), initial=(0.9, 0.02))
    (sweep,) = sweeps([replace(result, validation=((None, None), (0.6, 0.3)))])
    (point,) = sweep.points()
    assert (point.new, point.old, point.untrained) == (0.4, 0.5, 0.02)
    assert (point.held_new, point.held_old) == (0.3, 0.6)
    assert sweep.grids["adamw"].learner == "adamw" and not sweep.grids["adamw"].values("dense_lr")


def test_where_the_backbone_has_one_rate_a_point_has_that_of_the_head():
    request = Request(stream="finetune-halves", strategies=("nanoadam-dense-only",))
    results = [
        a_result(run, ((0.9, 0.01), (0.5, 0.4))) for run in suite.specs(request, Catalogue())
    ]
    (sweep,) = sweeps(results)
    assert {p.lr for p in sweep.points()} == {3e-4, 1e-3, 3e-3, 1e-2}
    assert {p.curve for p in sweep.points()} == {""}


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
    settings = [
        [setting.name for setting in claim.settings]
        for claim in claims.sweep_claims([plain, frozen])
        if claim.claim.startswith(PLAIN)
    ]
    assert settings == [["finetune-halves"], ["finetune-halves-freeze"], []]


def test_an_arm_of_which_runs_are_missing_is_counted_and_not_judged():
    runs = suite.specs(Request(stream="finetune-halves", strategies=("adamw",)), Catalogue())
    kept = [run for run in runs if run.seed < 2]
    whole, part = (
        sweeps([a_result(run, ((0.9, 0.01), (0.5, 0.4)), initial=(0.9, 0.01)) for run in some])[0]
        for some in (kept, kept[1:])
    )
    assert (whole.grids["adamw"].missing, part.grids["adamw"].missing) == (0, 1)
    reason = "not measured yet: 1 run of the control's sweep"
    assert unlike(whole.grids["adamw"], whole.grids["adamw"]) == ""
    assert reason in unlike(whole.grids["adamw"], part.grids["adamw"])
