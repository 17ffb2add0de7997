"""LwF keeps the predictions for old classes, and of nothing else."""

import pytest
import torch
from torch import nn

from nanocl.strategies import Strategy
from nanocl.strategies.lwf import LwF
from nanocl.strategies.sgd import SGD
from nanocl.testing import run, small_learner, small_stream


class Watch(Strategy):
    """Record inputs, model and total loss of each mini-batch, before its backward pass."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def before_backward(self, strategy, **kwargs):
        model = {
            name: value.detach().clone() for name, value in strategy.model.state_dict().items()
        }
        self.seen.append((strategy.mb_x, strategy.mb_y, strategy.mb_task_id, model))

    def after_backward(self, strategy, **kwargs):
        self.seen[-1] += (
            [None if p.grad is None else p.grad.clone() for p in strategy.model.parameters()],
        )


def plain():
    backbone = nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.ReLU())
    backbone.features = 12
    return backbone


def distilled(now, before, temperature):
    """Cross-entropy of the softened predictions, written out."""
    old = (before / temperature).exp()
    old = old / old.sum(1, keepdim=True)
    new = (now / temperature).exp()
    new = new / new.sum(1, keepdim=True)
    return -(old * new.log()).sum(1).mean()


# of a head for all classes: the active ones in the third experience, or those of before
COLUMNS = {"class": range(6), "all": range(6), "old": range(4), "domain": range(2)}


@pytest.mark.parametrize("kind", ["class", "all", "old", "task", "masked", "domain"])
def test_the_gradient_is_that_of_the_distillation_written_by_hand(kind):
    scenario = small_stream({"masked": "task", "all": "class", "old": "class"}.get(kind, kind))
    watch = Watch()
    head = kind if kind in ("masked", "all") else ""
    outputs = "old" if kind == "old" else "active"
    learner = small_learner(
        scenario,
        [SGD(lr=0.1), LwF(strength=0.7, temperature=3.0, outputs=outputs), watch],
        epochs=1,
        backbone=plain(),
        head=head,
    )
    for experience in list(scenario.train_stream)[:2]:
        learner.train(experience, eval_streams=[])
    old = {name: value.detach().clone() for name, value in learner.model.state_dict().items()}
    watch.seen = []
    learner.train(scenario.train_stream[2], eval_streams=[])
    teacher, student = (
        small_learner(scenario, backbone=plain(), head=head).model for _ in range(2)
    )
    teacher.load_state_dict(old)
    inputs, targets, labels, state, gradients = watch.seen[1]
    student.load_state_dict(state)
    loss = nn.functional.cross_entropy(student(inputs, labels), targets)
    for task in (0, 1) if kind in ("task", "masked") else (2,):
        columns = COLUMNS.get(kind, [2 * task, 2 * task + 1])
        before = teacher(inputs, torch.full_like(labels, task))[:, columns].detach()
        loss = loss + 0.7 * distilled(
            student(inputs, torch.full_like(labels, task))[:, columns], before, 3.0
        )
    expected = torch.autograd.grad(loss, list(student.parameters()), allow_unused=True)
    for gradient, wanted in zip(gradients, expected, strict=True):
        torch.testing.assert_close(gradient, wanted, rtol=1e-4, atol=1e-6)


def test_the_first_experience_is_the_same_without_lwf():
    scenario = small_stream()
    with_lwf, without = (
        run(small_learner(scenario, s), scenario) for s in ([LwF(strength=5.0)], [])
    )
    assert with_lwf.evaluation[0] == without.evaluation[0]


def test_old_predictions_move_less_with_distillation():
    moved = []
    for strength in (0.0, 10.0):
        scenario = small_stream("task")
        learner = small_learner(scenario, [LwF(strength=strength), SGD(lr=0.1)], epochs=4)
        learner.train(scenario.train_stream[0], eval_streams=[])
        inputs = scenario.train_stream[1].dataset._flat_data._datasets[0].batch(torch.arange(24))[0]
        before = learner.model.eval()(inputs, 0)[:, :2].softmax(1)
        learner.train(scenario.train_stream[1], eval_streams=[])
        moved.append(
            (learner.model.eval()(inputs, 0)[:, :2].softmax(1) - before).abs().mean().item()
        )
    assert moved[1] < 0.5 * moved[0]


def test_the_earlier_copy_never_changes_and_leaves_no_hook():
    scenario, lwf = small_stream("task"), LwF()
    learner = small_learner(scenario, [lwf])
    learner.train(scenario.train_stream[0], eval_streams=[])
    first, kept = lwf.teacher, lwf.state_dict()["loaded"]
    assert all(torch.equal(value, learner.model.state_dict()[name]) for name, value in kept.items())
    learner.train(scenario.train_stream[1], eval_streams=[])
    assert all(torch.equal(value, kept[name]) for name, value in first.state_dict().items())
    assert lwf.teacher is not first and not learner.model.backbone._forward_hooks


def test_regression_keeps_old_outputs():
    scenario = small_stream("domain", measure="loss")
    first = [
        run(small_learner(scenario, [LwF(strength=s)], epochs=6), scenario).evaluation
        for s in (0.0, 20.0)
    ]
    change = [abs(matrix[1][0] - matrix[0][0]) for matrix in first]
    assert first[0][0] == first[1][0] and change[1] < change[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strength": -1.0}, "strength must be in .*-1.0"),
        ({"temperature": 0.0}, "temperature must be in .*0.0"),
    ],
)
def test_an_option_out_of_range_is_named_with_its_value(options, message):
    with pytest.raises(ValueError, match=message):
        LwF(**options)


def test_the_penalty_is_zero_where_model_and_copy_agree_and_a_divergence_elsewhere():
    # avalanche#825, #1018, #1260, mammoth#22: a negative penalty, or a softmax taken twice
    lwf, generator = LwF(), torch.Generator().manual_seed(0)
    every = slice(None)
    for _ in range(20):
        before, now = (5 * torch.randn(6, 4, generator=generator) for _ in range(2))
        assert lwf._distance(before, before, every, False).item() == pytest.approx(0, abs=1e-6)
        old, new = (values.double().div(2).softmax(1) for values in (before, now))
        expected = (old * (old / new).log()).sum(1).mean().item()
        assert lwf._distance(now, before, every, False).item() == pytest.approx(expected, rel=1e-4)
        assert expected > 0
