"""Loss and drift of a run that is logged, while it trains; and no number of the run changes."""

import dataclasses

import pytest
from killed import ALWAYS, killed_within
from small_runs import numbers, spec
from together_runs import SEEDS

from nanocl.records.curves import ResultSoFar, TrainingPoints
from nanocl.training import curves, experiment, loop
from nanocl.training.context import Context

SMALL = {"stream": {"samples": "50"}, "training": {"epochs": "2", "batch_size": "20"}}
TWO_OF_FIVE = {**SMALL, "training": {**SMALL["training"], "experiences": "2"}}
LOGGED = Context(logs=True)


def points_of(told, digest=""):
    """The points of training by name, in the order in which they were told."""
    named = {}
    for message in told:
        if isinstance(message, TrainingPoints) and digest in ("", message.digest):
            for point in message.points:
                named.setdefault(point.name, []).append((point.step, point.value))
    return named


@pytest.fixture
def three(monkeypatch):
    """Three mini-batches in one mean: experiences of 10 end with a mean of one."""
    monkeypatch.setattr(curves, "LOSS_EVERY", 3)


def test_a_logged_run_has_the_numbers_of_one_that_is_not():
    run = spec("er+ewc+adamw", scenario="class", settings=TWO_OF_FIVE)
    plain, told = experiment.run_one(run, Context(), [].append), []
    logged = experiment.run_one(run, LOGGED, told.append)
    assert numbers(logged) == numbers(plain) and logged.function == plain.function
    for name in ("steps", "optimizer_state_bytes", "strategy_state_bytes", "parameters"):
        assert getattr(logged.cost, name) == getattr(plain.cost, name)
    assert points_of(told)


def test_without_loggers_nothing_is_told_of_loss_and_drift():
    told = []
    experiment.run_one(spec("sgd", settings=TWO_OF_FIVE), Context(), told.append)
    assert not [one for one in told if isinstance(one, TrainingPoints | ResultSoFar)]


def test_a_point_is_the_mean_loss_of_its_mini_batches(three, monkeypatch):
    losses, told = [], []
    backward = loop.Learner.backward

    def noting(learner):
        losses.append(learner.loss.item())
        backward(learner)

    monkeypatch.setattr(loop.Learner, "backward", noting)
    result = experiment.run_one(spec("l2-sp+sgd", settings=TWO_OF_FIVE), LOGGED, told.append)
    points = points_of(told)["training/loss"]
    half = result.cost.steps // 2
    assert len(losses) == result.cost.steps == 2 * half and half % 3, "the last mean is shorter"
    ends = [*range(3, half, 3), half]
    ends += [half + end for end in ends]
    assert [step for step, _ in points] == ends
    for begin, (end, value) in zip([0, *ends], points, strict=False):
        assert value == pytest.approx(sum(losses[begin:end]) / (end - begin), rel=1e-12)


def test_a_run_that_diverges_tells_the_losses_before(three):
    told = []
    settings = {**TWO_OF_FIVE, "sgd": {"lr": "1e9"}}
    result = experiment.run_one(spec("sgd", settings=settings), LOGGED, told.append)
    assert result.status == "diverged" and 0 < result.cost.steps < 10
    assert points_of(told)["training/loss"][-1][0] == result.cost.steps


def test_drift_after_the_last_epoch_of_an_experience_is_that_of_the_record():
    told = []
    result = experiment.run_one(spec("adamw", settings=TWO_OF_FIVE), LOGGED, told.append)
    half = result.cost.steps // 2
    points = points_of(told)
    for group in ("backbone", "head", "all"):
        for column in ("l2", "relative", "touched", "cosine"):
            drift = dict(points[f"training/{group}.{column}"])
            assert [*drift] == [half // 2, half, half + half // 2, 2 * half]
            recorded = [entry.start[group][column] for entry in result.drift]
            assert [drift[half], drift[2 * half]] == recorded


def test_the_record_so_far_comes_after_each_experience():
    told = []
    result = experiment.run_one(spec("adamw", settings=TWO_OF_FIVE), LOGGED, told.append)
    so_far = [one.result for one in told if isinstance(one, ResultSoFar)]
    assert [one.evaluation for one in so_far] == [result.evaluation[:1], result.evaluation]
    assert [one.drift for one in so_far] == [result.drift[:1], result.drift]
    assert so_far[1].spec == result.spec and so_far[1].experiences == result.experiences


def test_a_resumed_run_tells_the_same_points(three, monkeypatch, tmp_path):
    run = spec("adamw", settings=TWO_OF_FIVE)
    whole, first, second = [], [], []
    steps = experiment.run_one(run, LOGGED, whole.append).cost.steps
    run_one = experiment.run_one
    monkeypatch.setattr(
        experiment,
        "run_one",
        lambda one, context: run_one(one, dataclasses.replace(context, logs=True), first.append),
    )
    killed_within(monkeypatch, tmp_path, run, writes=steps // 2 + 4)  # between two means
    context = Context(logs=True, checkpoints=tmp_path, checkpoint_minutes=ALWAYS)
    run_one(run, context, second.append)
    assert points_of(second)["training/loss"][0][0] > steps // 2, "it began where it was"
    union = {
        name: sorted({*points, *points_of(second).get(name, ())})
        for name, points in points_of(first).items()
    }
    assert union == points_of(whole)
    logged = TrainingPoints | ResultSoFar
    assert not any(one.resumed for one in whole + first if isinstance(one, logged))
    assert all(one.resumed for one in second if isinstance(one, logged))


def test_seeds_that_are_trained_as_one_model_tell_the_losses_that_each_has_alone(three):
    runs = [spec("adamw", seed, scenario="class", settings=TWO_OF_FIVE) for seed in SEEDS]
    told = []
    results = [*experiment.run_group(runs, LOGGED, told.append)]
    assert results[1].cost.together == len(SEEDS)
    alone = []
    experiment.run_one(runs[1], LOGGED, alone.append)
    together, expected = points_of(told, runs[1].digest), points_of(alone)
    assert together.keys() == expected.keys()
    for name in ("training/loss", "training/backbone.l2"):
        assert [step for step, _ in together[name]] == [step for step, _ in expected[name]]
        values = [value for _, value in together[name]]
        assert values == pytest.approx([value for _, value in expected[name]], rel=1e-4)
