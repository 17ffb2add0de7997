"""An optimizer restarts when its state was emptied, and only then."""

import sys
from collections import defaultdict

import pytest
from library_runs import equal, make, network, steps, weights


@pytest.mark.parametrize(
    "name",
    [
        "torch:Adam",
        "torch:Muon",
        "pytorch-optimizer:AdaBelief",
        "pytorch-optimizer:Muon",
        "pytorch-optimizer:GaLore",
        "pytorch-optimizer:Prodigy",
        "torchao:AdamW8bit",
        "bitsandbytes:AdamW8bit",
    ],
)
def test_an_optimizer_whose_state_was_emptied_starts_as_a_new_one(name):
    model = network(64, 64, 64, 4)
    strategy = make(name)
    optimizer = strategy.make_optimizer(model)
    optimizer.state = defaultdict(dict)  # as in Avalanche's first call
    steps(optimizer, model, 5)
    at = weights(model)
    optimizer.state = defaultdict(dict)  # as when an experience resets the optimizer
    steps(optimizer, model, 3, seed=1)
    restarted = weights(model)
    for p, value in zip(model.parameters(), at, strict=True):
        p.data.copy_(value)
    steps(strategy.make_optimizer(model), model, 3, seed=1)
    assert equal(restarted, weights(model)) and not equal(restarted, at)


def test_a_restart_keeps_the_learning_rate_of_a_schedule():
    model = network(3, 3, 3)
    optimizer = make("pytorch-optimizer:AdaBelief").make_optimizer(model)
    optimizer.param_groups[0]["lr"] = 0.125
    optimizer.state = defaultdict(dict)
    steps(optimizer, model, 1)
    assert optimizer.param_groups[0]["lr"] == 0.125 and optimizer.param_groups[0]["step"] == 1


def test_loading_a_state_is_no_restart_even_if_it_is_empty():
    strategy = make("pytorch-optimizer:ASGD")  # keeps its whole state in the group
    plain, model = network(3, 3, 3), network(3, 3, 3)
    optimizer = sys.modules["pytorch_optimizer"].ASGD(plain.parameters())
    steps(optimizer, plain, 5)
    steps(optimizer, plain, 2, seed=1)
    optimizer, resumed = strategy.make_optimizer(model), strategy.make_optimizer(model)
    steps(optimizer, model, 5)
    resumed.load_state_dict(optimizer.state_dict())
    steps(resumed, model, 2, seed=1)
    assert not resumed.state and equal(weights(plain), weights(model))
