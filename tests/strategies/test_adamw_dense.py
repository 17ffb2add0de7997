"""AdamW with a learning rate of its own for the layers that sparse optimizers train densely."""

import pytest
import torch

from nanocl.strategies.adamw_dense import AdamWDense
from nanocl.testing import SmallBackbone, small_learner, small_stream
from nanocl.training.heads import Network

HEAD, NORMS = {"head.weight", "head.bias"}, {"backbone.2.weight", "backbone.2.bias"}


def trajectory(*makers, steps=6):
    torch.manual_seed(0)
    model = Network(SmallBackbone(), outputs=3)
    optimizers = [make(model) for make in makers]
    for _ in range(steps):
        model.zero_grad()
        model(torch.randn(5, 1, 4, 4)).square().sum().backward()
        for optimizer in optimizers:
            optimizer.step()
    return dict(model.named_parameters())


def assert_same(one, other):
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_with_one_rate_for_all_it_is_adamw():
    options = {"lr": 0.01, "eps": 1e-6, "weight_decay": 0.1}
    ours = trajectory(AdamWDense(dense_lr=0.01, beta1=0.8, beta2=0.9, **options).make_optimizer)
    assert_same(
        ours,
        trajectory(
            lambda model: torch.optim.AdamW(
                model.parameters(), betas=(0.8, 0.9), fused=True, **options
            )
        ),
    )


def test_the_dense_layers_take_the_steps_of_their_rate_and_the_rest_those_of_the_other():
    ours = trajectory(AdamWDense(lr=0.01, dense_lr=0.1, dense="head").make_optimizer)
    assert_same(
        ours,
        trajectory(
            lambda model: torch.optim.AdamW(model.backbone.parameters(), lr=0.01, fused=True),
            lambda model: torch.optim.AdamW(model.head.parameters(), lr=0.1, fused=True),
        ),
    )


@pytest.mark.parametrize(
    ("dense", "still"),
    [("head", HEAD), ("norms", NORMS), ("norms+head", HEAD | NORMS), ("none", set())],
)
def test_a_dense_rate_of_zero_leaves_those_layers_alone_and_no_other(dense, still):
    start = trajectory(lambda model: torch.optim.SGD(model.parameters(), lr=0.0))
    end = trajectory(AdamWDense(lr=0.1, dense_lr=0.0, dense=dense).make_optimizer)
    assert {name for name in start if torch.equal(start[name], end[name])} == still


@pytest.mark.parametrize("scenario", ["class", "task"])
def test_its_rates_survive_training_in_avalanche(scenario):
    stream = small_stream(scenario)
    learner = small_learner(stream, [AdamWDense(lr=0.001, dense_lr=0.1, dense="head")])
    for experience in stream.train_stream:
        learner.train(experience, eval_streams=[])
    rest, dense = learner.optimizer.param_groups
    assert (rest["lr"], dense["lr"]) == (0.001, 0.1)
    assert {id(p) for p in dense["params"]} == {id(p) for p in learner.model.head.parameters()}
