"""Optimizers that repeat the pass over a mini-batch, and those with a second set of weights."""

import copy

import pytest
import torch
from library_runs import make
from torch import nn

from nanocl.strategies import Strategy
from nanocl.strategies.ewc import EWC
from nanocl.testing import small_learner, small_stream


class Watch(Strategy):
    """Weights and gradient before the last update, and the mini-batch it was made on."""

    def before_update(self, strategy, **kwargs) -> None:
        self.model = copy.deepcopy(strategy.model)
        self.gradient = [p.grad.clone() for p in strategy.model.parameters()]
        self.batch = [part.clone() for part in strategy.mbatch]
        self.loss = strategy.loss.item()

    def after_training_iteration(self, strategy, **kwargs) -> None:
        assert strategy.loss.item() == self.loss, "the reported loss is that of the first pass"


@pytest.mark.parametrize("adaptive", [False, True])
def test_sam_descends_from_where_loss_and_penalty_are_worst_nearby(adaptive):
    """Foret et al., 2021, arXiv:2010.01412, Algorithm 1.

    Adaptive: Kwon et al., 2021, arXiv:2102.11600, equation 4.
    """
    stream, ewc, watch = small_stream("domain", experiences=2), EWC(strength=50.0), Watch()
    sam = make("pytorch-optimizer:SAM:SGD", lr=0.1, rho=0.5, adaptive=adaptive)
    learner = small_learner(stream, [ewc, sam, watch])
    learner.train(stream.train_stream[0], eval_streams=[])
    centre, importance = copy.deepcopy(ewc.centre), copy.deepcopy(ewc.importance)
    learner.train(stream.train_stream[1], eval_streams=[])

    names, start = zip(*watch.model.named_parameters(), strict=True)
    scales = [p.detach().abs() if adaptive else torch.ones_like(p) for p in start]
    norm = torch.cat(
        [(s * g).flatten() for s, g in zip(scales, watch.gradient, strict=True)]
    ).norm()
    worst = copy.deepcopy(watch.model)
    for p, s, g in zip(worst.parameters(), scales, watch.gradient, strict=True):
        p.data += 0.5 * s * s * g / norm
    inputs, targets, labels = watch.batch
    loss = nn.functional.cross_entropy(worst(inputs, labels), targets)
    for name, p in worst.named_parameters():
        loss = loss + 25.0 * (importance[name] * (p - centre[name]).square()).sum()
    loss.backward()
    for name, p, q, now in zip(
        names, start, worst.parameters(), learner.model.parameters(), strict=True
    ):
        assert torch.allclose(now, p - 0.1 * q.grad, rtol=1e-4, atol=1e-6), name
    for kept, now in zip(watch.model.buffers(), learner.model.buffers(), strict=True):
        assert torch.equal(kept, now), "the second pass leaves the running statistics alone"
    assert int(learner.model.backbone[2].num_batches_tracked) == 2 * 2 * 3, "one count a mini-batch"


def test_the_second_set_of_weights_is_evaluated():
    stream = small_stream("domain", experiences=1)
    strategy = make("pytorch-optimizer:ScheduleFreeSGD", lr=0.5)
    learner, seen = small_learner(stream, [strategy]), []
    learner.train(stream.train_stream[0], eval_streams=[])
    trained = learner.model.head.weight.detach().clone()

    class Look(Strategy):
        def after_eval_forward(self, strategy, **kwargs) -> None:
            seen.append(strategy.model.head.weight.detach().clone())

    learner.plugins.append(Look())
    learner.eval(stream.test_stream)
    assert not torch.equal(seen[0], trained) and torch.allclose(
        learner.model.head.weight, trained, atol=1e-6
    )


def test_a_closure_that_a_step_evaluates_several_times_sees_the_same_mini_batch():
    """One iteration of LBFGS without line search: a gradient step of length min(1, 1/|g|_1) lr."""
    stream, watch = small_stream("domain", experiences=1), Watch()
    strategy = make("torch:LBFGS", lr=0.1, max_iter=1)
    learner = small_learner(stream, [strategy, watch], epochs=1, batch_size=24)
    learner.train(stream.train_stream[0], eval_streams=[])
    scale = 0.1 * min(1.0, 1 / sum(float(g.abs().sum()) for g in watch.gradient))
    for p, g, now in zip(
        watch.model.parameters(), watch.gradient, learner.model.parameters(), strict=True
    ):
        assert torch.allclose(now, p - scale * g, rtol=1e-5, atol=1e-7)
        assert torch.allclose(now.grad, g, rtol=1e-5, atol=1e-7), (
            "its own gradient, not added to the first pass's"
        )
