"""One run: reproducible bit for bit, resumable bit for bit, and honest about divergence."""

import dataclasses
import functools

import numpy as np
import pytest
import torch
from small_runs import numbers, spec

from nanocl.data.batches import tensor_parts
from nanocl.engine import local
from nanocl.records import RunFailure, UserError, encoding
from nanocl.records.measuring import Measuring
from nanocl.training import assembly, experiment, loop
from nanocl.training.context import Context
from nanocl.training.drift import DriftMeter
from nanocl.training.measure import Meter


def test_the_same_seed_gives_the_same_numbers_bit_for_bit():
    assert numbers(experiment.run_one(spec(), Context())) == numbers(
        experiment.run_one(spec(), Context())
    )
    assert numbers(experiment.run_one(spec(), Context())) != numbers(
        experiment.run_one(spec(seed=1), Context())
    )


def test_one_worker_and_two_give_the_same_numbers():
    specs = [spec(seed=seed) for seed in range(3)]
    run_one = functools.partial(experiment.run_one, context=Context())
    matrices = []
    for workers in (1, 2):
        results = {r.spec.seed: numbers(r) for r in local.run_all(run_one, specs, workers=workers)}
        matrices.append([results[seed] for seed in range(3)])
    assert matrices[0] == matrices[1]


def test_the_matrix_has_an_untrained_row_and_one_row_per_experience():
    result = experiment.run_one(spec(scenario="class"), Context())
    assert len(result.initial) == 5 and [len(row) for row in result.evaluation] == [5] * 5
    assert all(0 <= value <= 1 for row in result.evaluation for value in row)
    assert all(row[j] == 0 for i, row in enumerate(result.evaluation) for j in range(i + 1, 5)), (
        "closed classes"
    )
    assert result.cost.optimizer_state_bytes == 8 * result.cost.parameters + 4 * 6, (
        "two moments and a step per tensor"
    )


def test_a_loss_that_is_not_finite_is_a_result_called_diverged():
    result = experiment.run_one(spec("sgd", settings={"sgd": {"lr": "1e30"}}), Context())
    assert result.status == "diverged" and len(result.evaluation) < 5


def test_weights_that_are_not_finite_after_the_last_step_are_diverged_too():
    result = experiment.run_one(
        spec(
            "sgd", settings={"sgd": {"lr": "1e30"}, "stream": {"experiences": "1", "samples": "1"}}
        ),
        Context(),
    )
    assert result.status == "diverged" and result.evaluation == ()


def test_a_run_that_fails_takes_no_other_with_it():
    good, bad = (
        spec(seed=0),
        dataclasses.replace(
            spec(seed=1),
            scenario="domain",
            protocol="broken",
            model=dataclasses.replace(spec().model, name="nowhere"),
        ),
    )
    outcomes = list(
        local.run_all(
            functools.partial(experiment.run_one, context=Context()), [bad, good], workers=1
        )
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["RunFailure", "RunResult"]
    failure = next(outcome for outcome in outcomes if isinstance(outcome, RunFailure))
    assert "unknown model 'nowhere'" in failure.error


def test_a_worker_that_dies_is_tried_again_and_then_reported():
    outcomes = list(local.run_all(_die, [spec()], workers=1))
    assert len(outcomes) == 1 and "died 2 times" in outcomes[0].error


def _die(spec, *, tell):
    import os

    os._exit(9)


def test_tuning_measures_on_held_out_training_data():
    held_out = {"stream": {"validation": "0.2"}, "training": {"measured_on": "validation"}}
    result = experiment.run_one(spec(settings=held_out), Context())
    assert (
        result.evaluation
        != experiment.run_one(
            spec(settings={"stream": {"validation": "0.2"}}), Context()
        ).evaluation
    )
    with pytest.raises(UserError, match=r"such as stream.validation=0.1"):
        assembly.check([spec(settings={"training": {"measured_on": "validation"}})], Context())


def test_data_that_the_stream_holds_out_are_tested_beside_the_test_data():
    settings = {"stream": {"validation": "0.2"}}
    measured_on = {"training": {"measured_on": "validation"}}
    both = experiment.run_one(spec(settings=settings), Context())
    tuned = experiment.run_one(spec(settings={**settings, **measured_on}), Context())
    assert both.validation == tuned.evaluation != both.evaluation
    assert tuned.validation == () == experiment.run_one(spec(), Context()).validation
    seen = experiment.run_one(
        spec(settings=settings), Context(measuring=Measuring(evaluate="last"))
    )
    assert seen.validation[0][1] is None and seen.validation[0][0] == both.validation[0][0]
    assert seen.evaluation[-1] == both.evaluation[-1] and seen.validation[-1] == both.validation[-1]


def test_tests_on_held_out_data_change_nothing_else(monkeypatch):
    run = spec(settings={"stream": {"validation": "0.2"}})
    both = experiment.run_one(run, Context())
    with_tests = loop.tested
    monkeypatch.setattr(loop, "tested", lambda *args: (with_tests(*args)[0], []))
    alone = experiment.run_one(run, Context())
    assert both.validation and not alone.validation
    for name in ("initial", "evaluation", "masked", "drift", "function"):
        assert getattr(both, name) == getattr(alone, name)


def test_what_a_strategy_holds_in_training_only_counts_too():
    cost = experiment.run_one(spec("si+sgd"), Context()).cost
    assert cost.strategy_state_bytes >= 5 * 4 * cost.parameters, (
        "omega, anchor, path, gradient and weight of SI"
    )


@pytest.mark.parametrize("scenario", ["class", "task", "domain"])
def test_the_record_says_which_classes_each_experience_had(scenario):
    run = spec(seed=3, scenario=scenario)
    result = experiment.run_one(run, Context())
    order = np.random.default_rng(3).permutation(10).tolist()
    pairs = [sorted(order[i : i + 2]) for i in range(0, 10, 2)]
    assert [sorted(one["classes"]) for one in result.experiences] == pairs
    if scenario == "domain":  # targets are positions, so their order counts
        assert [list(one["classes"]) for one in result.experiences] == [
            order[i : i + 2] for i in range(0, 10, 2)
        ]
    _, stream = assembly.build(run, Context())
    assert [one["train"] for one in result.experiences] == [
        len(experience.dataset) for experience in stream.train_stream
    ]
    assert encoding.from_record(encoding.to_record(result)).experiences == result.experiences


@pytest.mark.parametrize("head", ["seen", "all"])
def test_the_masked_matrix_is_the_argmax_over_own_classes_of_recomputed_logits(head):
    # RaptorMai#10, agem#1, GMvandeVen#26: logits of classes of the future must not leak
    settings = {"training": {"head": head, "epochs": "3"}}
    run = spec("adamw", scenario="class", settings=settings)
    learner, scenario = assembly.build(run, Context())
    expected = []

    def recompute(outcome):
        network, row = learner.model.eval(), []
        for experience in scenario.test_stream:
            ((dataset, rows),) = tensor_parts(experience.dataset)
            inputs, targets, _ = dataset.batch(rows)
            own = sorted(experience.classes_in_this_experience)
            with torch.no_grad():
                logits = network.head(network.backbone(inputs))[:, own]
            chosen = torch.tensor(own)[logits.argmax(1)]
            row.append((chosen == targets).double().mean().item())
        expected.append(row)

    drift = DriftMeter(learner.model, learner.model.head_parameters())
    outcome = loop.train(learner, scenario, Meter(), drift=drift, after_experience=recompute)
    for trained, (masked, wanted) in enumerate(zip(outcome.masked, expected, strict=True)):
        known = trained + 1 if head == "seen" else len(wanted)
        assert masked[:known] == pytest.approx(wanted[:known], abs=0)
    assert outcome.masked != outcome.evaluation
