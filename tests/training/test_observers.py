"""Observers count what was trained and score what was tested."""

from types import SimpleNamespace

import pytest
import torch

from nanocl.training.measure import Meter
from nanocl.training.observers import Diverged, Scores, Ticker


def learner(output, target, *, kind="shared", limited=None):
    model = SimpleNamespace(kind=kind, limit=lambda scores, labels: limited)
    return SimpleNamespace(
        mb_output=torch.tensor(output), mb_y=torch.tensor(target), mb_task_id=None, model=model
    )


def scored(measure, *mini_batches):
    scores = Scores(measure)
    scores.before_eval(None)
    scores.before_eval_exp(SimpleNamespace(device="cpu"))
    for mini_batch in mini_batches:
        scores.after_eval_iteration(mini_batch)
    scores.after_eval_exp(None)
    return scores


def test_accuracy_is_the_share_of_correct_samples_over_mini_batches_of_different_sizes():
    first = learner([[2.0, 1.0], [0.0, 1.0]], [0, 0])
    second = learner([[0.0, 1.0]], [1])
    assert scored("accuracy", first, second).row == [2 / 3]


def test_masked_accuracy_uses_the_scores_limited_to_the_classes_of_the_experience():
    limited = torch.tensor([[-9.0, 1.0], [-9.0, 1.0]])
    mini_batch = learner([[2.0, 1.0], [2.0, 1.0]], [1, 0], kind="seen", limited=limited)
    scores = scored("accuracy", mini_batch)
    assert scores.row == [0.5] and scores.masked == [0.5]


def test_a_loss_is_the_mean_squared_error_over_samples():
    mini_batches = learner([[1.0], [3.0]], [[0.0], [0.0]]), learner([[2.0]], [[0.0]])
    assert scored("loss", *mini_batches).row == [(1 + 9 + 4) / 3]


def test_an_output_that_is_not_finite_is_a_divergence():
    with pytest.raises(Diverged):
        scored("accuracy", learner([[float("nan"), 1.0]], [0]))


def test_steps_and_samples_are_counted_and_progress_is_the_share_of_the_experience():
    meter, reported = Meter(), []
    ticker = Ticker(meter, lambda *progress: reported.append(progress))
    clock = SimpleNamespace(train_exp_epochs=1, train_exp_iterations=3)
    strategy = SimpleNamespace(
        mb_y=torch.zeros(8),
        clock=clock,
        dataloader=range(4),
        train_epochs=2,
        experience=SimpleNamespace(current_experience=2),
    )
    ticker.after_training_iteration(strategy)
    ticker.after_training_iteration(strategy)
    assert (meter.steps, meter.samples) == (2, 16)
    assert reported == [(2, 1, 0.5)], "4 of 8 mini-batches; the second call came too soon"
