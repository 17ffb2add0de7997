"""NanoAdam as a strategy: which layers are sparse, which are dense, and their learning rates."""

import pytest
import torch
from optimizer_steps import assert_steps_of, trajectory

from nanocl import optim
from nanocl.plugins.catalogue import INSTALLED
from nanocl.strategies.nanoadam import NanoAdam
from nanocl.testing import SmallBackbone, small_learner, small_stream
from nanocl.training.heads import Network


def test_without_dense_layers_it_takes_the_steps_of_the_optimizer():
    assert_steps_of(
        NanoAdam(lr=0.01, density=0.3, mask_interval=3, dense="none"),
        lambda parameters: optim.NanoAdam(parameters, lr=0.01, density=0.3, mask_interval=3),
    )


def test_norms_and_head_take_the_steps_of_dense_adam():
    """With density 0 nothing else moves."""
    scenario = small_stream()
    learner = small_learner(scenario, [NanoAdam(density=0.0, lr=0.01, mask_interval=2)])
    start = {name: p.detach().clone() for name, p in learner.model.named_parameters()}
    learner.train(scenario.train_stream[0], eval_streams=[])
    moved = {
        name for name, p in learner.model.named_parameters() if not torch.equal(p, start[name])
    }
    assert moved == {"backbone.2.weight", "backbone.2.bias", "head.weight", "head.bias"}

    same = trajectory(lambda m: NanoAdam(dense="head", density=1.0, lr=0.01).make_optimizer(m))
    dense = trajectory(lambda m: torch.optim.Adam(m.parameters(), lr=0.01))
    for a, b in zip(same, dense, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_the_dense_layers_may_have_their_own_learning_rate():
    network = Network(SmallBackbone(), outputs=4)
    sparse, dense = NanoAdam(lr=0.01, dense_lr=0.001).make_optimizer(network).param_groups
    assert (sparse["lr"], sparse["density"]) == (0.01, 0.1)
    assert (dense["lr"], dense["density"]) == (0.001, 1.0)


def test_its_groups_survive_training_in_avalanche():
    scenario = small_stream("task")
    learner = small_learner(scenario, [NanoAdam(density=0.5)])
    before = [list(map(id, group["params"])) for group in learner.optimizer.param_groups]
    for experience in scenario.train_stream:
        learner.train(experience, eval_streams=[])
        groups = [list(map(id, group["params"])) for group in learner.optimizer.param_groups]
        assert groups == before
    assert [group["density"] for group in learner.optimizer.param_groups] == [0.5, 1.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"density": 1.5}, r"density must be a number in \[0, 1\], got 1.5"),
        ({"dense": "all"}, r"dense must be one of norms\+head, norms, head, none, got 'all'"),
        ({"dense_lr": -1.0}, "dense_lr must be in .*-1.0"),
        ({"select": "big"}, "select must be one of .*'big'"),
        ({"mask_interval": 0}, "mask_interval must be .*0"),
        (
            {"final_density": 0.04},
            "total_steps must be a positive integer when final_density is given",
        ),
    ],
)
def test_an_option_out_of_range_is_named_with_value_and_range(options, message):
    with pytest.raises(ValueError, match=message):
        NanoAdam(**options)


def test_where_steps_are_counted_is_no_option_and_enters_no_digest():
    options = INSTALLED.plugin("strategies", "nanoadam").options
    assert "fused" in options and "capturable" not in options
