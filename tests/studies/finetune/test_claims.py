"""Claims on finetuning take their quantity from arms that are alike."""

from dataclasses import replace

import pytest
from made_sweeps import MASK, RATES, a_grid, a_sweep, one_seed, point
from making import a_result

from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import suite
from nanocl.protocols.request import Request
from nanocl.studies.finetune import claims, decomposition
from nanocl.studies.finetune.claimed import CONTROLLED, PLAIN, ROWS, SMALLNESS
from nanocl.studies.finetune.points import sweeps
from nanocl.studies.verdicts import judge_claims


def verdicts(*sweeps):
    rows = [*claims.sweep_claims(sweeps), *claims.part_claims(sweeps)]
    return {row.claim.claim: row for row in judge_claims(rows)}


def with_free_nanoadam(sweep):
    """The sweep with the head's rate of NanoAdam and of random weights swept independently."""
    free = {**MASK, "dense_lr": (1e-3, 1e-2)}
    grids = {arm: a_grid(arm, **free) for arm in ("nanoadam", "random")}
    return replace(sweep, grids={**sweep.grids, **grids})


def test_a_verdict_rests_on_ten_seeds_and_both_directions_are_alike():
    better, worse = a_sweep("a", nanoadam=0.05), a_sweep("b", nanoadam=-0.05)
    assert verdicts()[PLAIN].verdict == "not measured"
    assert verdicts(a_sweep("a", seeds=5, nanoadam=0.05))[PLAIN].verdict == "undecided"
    assert verdicts(better)[PLAIN].verdict == "holds"
    assert verdicts(worse)[PLAIN].verdict == "does not hold"
    assert verdicts(a_sweep("a"))[PLAIN].verdict == "does not hold"
    assert verdicts(a_sweep("a"))[PLAIN].settings("equal") == ["a"]
    mixed = verdicts(better, a_sweep("b", nanoadam=-0.1))[PLAIN]
    assert mixed.verdict == "depends on the setting"
    assert (mixed.settings("for"), mixed.settings("against")) == (["a"], ["b"])


def test_a_control_with_one_rate_for_its_dense_parameters_decides_nothing():
    sweep = with_free_nanoadam(a_sweep(nanoadam=0.7))
    assert verdicts(sweep)[CONTROLLED].verdict == "holds"
    fixed = a_grid("adamw-dense", lr=RATES, dense_lr=(1e-2,))
    unswept = verdicts(replace(sweep, grids={**sweep.grids, "adamw-dense": fixed}))[CONTROLLED]
    assert unswept.verdict == "not measured"
    assert unswept.reasons == ["the control's rate of the dense parameters was not swept"]


RANK_8 = {"rank": (8,), "alpha": (16.0,)}


@pytest.mark.parametrize(
    ("arm", "name", "options", "reason"),
    [
        ("ewc+adamw", "EWC on AdamW", {"strength": (1e3,)}, "the control's strength"),
        ("lora", "LoRA", {"dense_lr": (None,), **RANK_8}, "tied to that of its adapters"),
        ("microadam", "MicroAdam", {"density": (0.01,)}, "none in microadam"),
    ],
)
def test_a_rival_that_was_not_tuned_decides_nothing(arm, name, options, reason):
    sweep = with_free_nanoadam(a_sweep(nanoadam=0.05))
    grids = {**sweep.grids, arm: a_grid(arm, lr=RATES, **options)}
    row = verdicts(replace(sweep, grids=grids))[
        f"NanoAdam forgets less than {name} at equal new-task accuracy"
    ]
    assert row.verdict == "not measured" and reason in row.reasons[0]


def test_accuracies_far_below_those_of_joint_training_decide_nothing():
    def scaled(sweep, factor):
        arms = {}
        for arm, seeds in sweep.arms.items():
            arms[arm] = {
                seed: tuple(
                    point(p.lr, factor * p.new, p.old, drift=p.drift, untrained=0.01) for p in row
                )
                for seed, row in seeds.items()
            }
        return replace(sweep, arms=arms)

    sweep = a_sweep(nanoadam=0.3)
    assert verdicts(scaled(sweep, 1.0))[PLAIN].verdict == "holds"
    rows = verdicts(scaled(sweep, 0.25)).values()
    assert {row.verdict for row in rows} == {"not measured"}
    assert any("learned too little" in reason for row in rows for reason in row.reasons)


def test_records_without_held_out_accuracies_decide_nothing():
    held = {"held_new": None, "held_old": None}
    sweep = a_sweep(nanoadam=0.3)
    arms = {
        arm: {seed: tuple(replace(p, **held) for p in row) for seed, row in seeds.items()}
        for arm, seeds in sweep.arms.items()
    }
    row = verdicts(replace(sweep, arms=arms))[PLAIN]
    assert row.verdict == "not measured" and row.reasons == ["no accuracies on held-out data"]


def test_arms_with_independent_rates_of_body_and_head_are_compared_as_they_are_recorded():
    results = []
    for spec in suite.specs(Request(stream="finetune-text"), Catalogue()):
        rate = spec.strategy[-1].options["lr"] or 1e-3
        held = (0.9 - 10 * rate, 0.8 + rate)
        made = a_result(spec, ((0.9, 0.01), held), initial=(0.9, 0.01))
        results.append(replace(made, validation=((None, None), held)))
    rows = verdicts(*sweeps(results))
    plain, controlled, small = rows[PLAIN], rows[CONTROLLED], rows[SMALLNESS]
    assert plain.verdict == "undecided" and plain.tally == "open 1 of 1 settings"
    for row in (controlled, small):
        # all arms are read where the backbone rests: that is head and norms alone, not these arms
        assert row.verdict == "undecided" and row.tally == "open 1 of 1 settings"
        assert "runs of " in row.claim.ran and "1 pretrained network" in row.claim.ran
    assert "adamw-dense (6 settings), nanoadam-free (6 settings)" in controlled.claim.ran
    whole, head, sparse, small, *_ = claims.part_claims(sweeps(results))
    assert not any(claim.settings[0].missing for claim in (whole, head, sparse, small))
    ewc = rows["NanoAdam forgets less than EWC on AdamW at equal new-task accuracy"]
    assert ewc.reasons == [] and "ewc+adamw-dense" in ewc.claim.ran


def test_an_arm_that_no_protocol_ran_is_not_measured():
    row = next(row for row in ROWS if row.second.learner == "mofo")
    assert verdicts(a_sweep())[row.claim].reasons == ["no protocol ran both nanoadam and mofo"]


def test_of_several_arms_of_a_learner_the_fair_pair_is_compared():
    sweep = a_sweep()
    row = next(row for row in ROWS if row.claim == CONTROLLED)
    assert claims.arms_of(sweep, row) == ("nanoadam", "adamw-dense")
    free = a_grid("nanoadam", **{**MASK, "dense_lr": (1e-3, 1e-2)})
    both = replace(
        sweep,
        arms={**sweep.arms, "nanoadam-2": sweep.arms["nanoadam"]},
        grids={**sweep.grids, "nanoadam-2": free},
    )
    assert claims.arms_of(both, row) == ("nanoadam-2", "adamw-dense")
    plain = next(row for row in ROWS if row.claim == PLAIN)
    assert claims.arms_of(both, plain) == ("nanoadam", "adamw")


def test_the_parts_of_the_advantage_add_up_to_it_seed_by_seed():
    sweep = with_free_nanoadam(a_sweep(nanoadam=0.09, random=0.04, adamw_dense=0.03))
    whole, head, sparse, small, *_ = claims.part_claims([sweep])
    rows = [claim.settings[0].values for claim in (whole, head, sparse, small)]
    for seed in range(10):
        assert rows[0][seed] == pytest.approx(sum(row[seed] for row in rows[1:]))
    means = [sum(row.values()) / 10 for row in rows]
    assert means == pytest.approx([9, 3, 1, 5], abs=0.3)
    judged = verdicts(sweep)
    states = [judged[claim.claim].verdict for claim in (whole, head, sparse, small)]
    assert states == ["holds", "holds", "does not hold", "holds"]


def test_at_equal_drift_no_arm_drifts_further_than_the_other():
    levels = claims.fronts.levels(a_sweep())
    near = tuple(replace(p, drift=p.drift / 50) for p in one_seed())
    ((first, second),) = decomposition.at_equal_drift(levels, {0: near}, {0: one_seed()}, 0)
    assert (first.drift, second.drift) == (2.0, 1.0) and second.lr == RATES[0]
    assert decomposition.at_equal_drift(levels, {0: ()}, {0: one_seed()}, 0) == []


def test_a_row_says_on_how_many_pretrained_networks_it_rests():
    def started(name, weights):
        sweep = a_sweep(name)
        model = replace(sweep.spec.model, weights=weights)
        return replace(sweep, spec=replace(sweep.spec, model=model))

    same = verdicts(started("a", "0123"), started("b", "0123"))[PLAIN]
    assert "; 1 pretrained network;" in same.claim.ran
    two = verdicts(started("a", "0123"), started("b", "4567"))[PLAIN]
    assert "; 2 pretrained networks;" in two.claim.ran


def test_networks_trained_on_other_classes_of_one_data_set_are_not_one_network():
    def pretrained(name, classes):
        sweep = a_sweep(name)
        model = replace(sweep.spec.model, options={"pretrain": classes})
        return replace(sweep, spec=replace(sweep.spec, model=model))

    halves = pretrained("a", "cifar10[0-4]"), pretrained("b", "cifar10[5-9]")
    assert "; 2 pretrained networks;" in verdicts(*halves)[PLAIN].claim.ran


def test_the_network_of_a_setting_that_is_not_measured_does_not_count():
    unheld = a_sweep("b")
    arms = dict(unheld.arms)
    for arm, seeds in arms.items():
        rows = {seed: tuple(replace(p, held_new=None) for p in row) for seed, row in seeds.items()}
        arms[arm] = rows
    model = replace(unheld.spec.model, weights="4567")
    unheld = replace(unheld, arms=arms, spec=replace(unheld.spec, model=model))
    row = verdicts(a_sweep("a"), unheld)[PLAIN]
    assert row.tally == "equal 1, not measured 1 of 2 settings"
    assert "; 1 pretrained network;" in row.claim.ran


def test_a_row_says_how_many_settings_each_arm_had():
    """The best of more settings is better by luck alone."""
    short = a_sweep("b")
    arms = {**short.arms, "adamw": {seed: row[:2] for seed, row in short.arms["adamw"].items()}}
    row = verdicts(a_sweep("a"), replace(short, arms=arms))[PLAIN]
    assert row.claim.ran.endswith("runs of adamw (2 to 3 settings), nanoadam (3 settings)")
