"""Seeds of a learner are trained together only if each then learns what it does alone."""

import pytest
import torch
from small_runs import spec
from together_runs import members
from torch import nn

from nanocl.records import UserError
from nanocl.records.measuring import Measuring
from nanocl.testing import SmallBackbone, small_learner, small_stream
from nanocl.training import assembly, eligibility
from nanocl.training.context import Context
from nanocl.training.grouping import WEIGHTS_ON_CPU, learner_of


def reason(strategy="adamw", context=None, **values):
    learner, scenario = assembly.build(spec(strategy, **values), Context())
    return eligibility.obstacle(learner, scenario, context or Context())


@pytest.mark.parametrize("strategy", ["adamw", "sgd", "nanoadam", "lora", "torch:RMSprop"])
def test_an_optimizer_that_is_all_of_a_strategy_is_no_obstacle(strategy):
    assert reason(strategy) == ""


@pytest.mark.parametrize(
    ("strategy", "named"),
    [
        ("ewc+sgd", "EWC uses the hook"),
        ("er", "ER uses the hook"),
        ("torch:LBFGS", "LBFGS repeats forward and backward pass"),
        ("microadam", "MicroAdam amplifies differences in rounding"),
    ],
)
def test_a_strategy_that_needs_its_own_loop_is_one(strategy, named):
    assert named in reason(strategy)


def test_so_are_tests_within_experiences_and_probes(tmp_path):
    tracked = Measuring(track_every=5)
    for context in (
        Context(measuring=tracked),
        Context(replacing={"0123": tracked}),
        Context(probes=tmp_path),
    ):
        assert "probed or tested within experiences" in reason(context=context)


@pytest.mark.parametrize("option", [{"precision": "bf16"}])
def test_so_is_arithmetic_in_another_type(option):
    assert "does not compute in float32" in reason(settings={"training": option})


class Dropout(nn.Sequential):
    features = 16

    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(16, 16), nn.Dropout())


class Branching(nn.Module):
    features = 16

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(16, 16)

    def forward(self, inputs):
        values = self.layer(inputs.flatten(1))
        return values if values.sum() > 0 else -values


@pytest.mark.parametrize(
    ("backbone", "named"),
    [(SmallBackbone, "has buffers"), (Dropout, "random"), (Branching, "control flow")],
)
def test_so_is_a_network_that_cannot_be_batched(backbone, named):
    scenario = small_stream()
    learner = small_learner(scenario, backbone=backbone())
    state = torch.get_rng_state()
    assert named in eligibility.obstacle(learner, scenario, Context())
    assert torch.equal(torch.get_rng_state(), state)


def test_looking_for_an_obstacle_leaves_the_learner_as_it_is():
    (run, *_), (untouched, *_) = members(), members()
    before = [parameter.data_ptr() for parameter in run.learner.model.parameters()]
    assert eligibility.obstacle(run.learner, small_stream(), Context()) == ""
    assert [parameter.data_ptr() for parameter in run.learner.model.parameters()] == before
    torch.testing.assert_close(
        run.learner.model.state_dict(), untouched.learner.model.state_dict(), rtol=0, atol=0
    )


def test_a_wide_network_is_slower_together_on_a_cpu_only():
    for width, is_slower in ((100, False), (1000, True)):
        settings = {"model": {"width": str(width)}}
        learner, _ = assembly.build(spec(settings=settings), Context())
        weights = sum(p.numel() for p in learner.model.backbone.parameters())
        assert (weights > WEIGHTS_ON_CPU) == is_slower
        assert bool(eligibility.drawback(learner, "cpu")) == is_slower
        assert not eligibility.drawback(learner, "cuda")


def test_auto_looks_at_obstacles_and_speed_and_off_at_nothing():
    specs = [spec("adamw"), spec("ewc+adamw")]
    for mode, eligible in (("auto", [True, False]), ("off", [False, False])):
        obstacles = assembly.check(specs, Context(vectorize=mode)).alone
        assert [not obstacles[learner_of(one)] for one in specs] == eligible


def test_on_refuses_a_learner_with_an_obstacle_in_one_line():
    with pytest.raises(UserError, match=r"--vectorize on: seeds of ewc cannot .* hook .* auto"):
        assembly.check([spec("ewc")], Context(vectorize="on"))
    wide = spec(settings={"model": {"width": "1000"}})
    assert assembly.check([wide], Context(vectorize="on")).alone == {learner_of(wide): ""}
