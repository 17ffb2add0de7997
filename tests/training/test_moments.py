"""At a boundary, bias correction can start again while the moments stay."""

import copy
from dataclasses import replace

import pytest
import torch
from small_runs import spec
from torch import nn

from nanocl.optim import CautiousAdamW, MoFO, NanoAdam
from nanocl.records import UserError
from nanocl.strategies.adam import Adam
from nanocl.strategies.sgd import SGD
from nanocl.testing import run, small_learner, small_stream
from nanocl.training import assembly
from nanocl.training.context import Context
from nanocl.training.moments import check_restart, restart_bias_correction


def stepped(make, steps, restart_at=0):
    torch.manual_seed(0)
    parameter = nn.Parameter(torch.randn(5, 4))
    optimizer = make([parameter])
    for step in range(steps):
        if restart_at and step == restart_at:
            restart_bias_correction(optimizer)
        parameter.grad = torch.sin(parameter.detach() + step)
        optimizer.step()
    return parameter, optimizer


def test_adam_goes_on_with_its_moments_and_the_bias_correction_of_a_first_step():
    before, optimizer = stepped(lambda params: torch.optim.Adam(params, lr=0.1), 3)
    state = copy.deepcopy(optimizer.state[before])
    gradient = torch.sin(before.detach() + 3)
    mean = 0.9 * state["exp_avg"] + 0.1 * gradient
    square = 0.999 * state["exp_avg_sq"] + 0.001 * gradient.square()
    expected = before.detach() - 0.1 * (mean / 0.1) / ((square / 0.001).sqrt() + 1e-8)
    after, _ = stepped(lambda params: torch.optim.Adam(params, lr=0.1), 4, restart_at=3)
    torch.testing.assert_close(after.detach(), expected)


@pytest.mark.parametrize("fused", [None, False])
def test_our_dense_adam_restarts_as_torchs(fused):
    options = {"lr": 0.1, "eps": 1e-8, "weight_decay": 0.0}
    ours, _ = stepped(lambda p: NanoAdam(p, density=1.0, fused=fused, **options), 6, restart_at=4)
    theirs, _ = stepped(lambda p: torch.optim.AdamW(p, **options), 6, restart_at=4)
    torch.testing.assert_close(ours, theirs)


def outcome(state, strategy):
    stream = small_stream()
    learner = small_learner(stream, [strategy])
    learner.training = replace(learner.training, optimizer_state=state)
    return [e.start["all"]["l2"] for e in run(learner, stream).drift]


def test_without_a_bias_correction_it_is_keep_and_with_one_a_way_of_its_own():
    sgd = {state: outcome(state, SGD(momentum=0.9)) for state in ("keep", "reset", "reset-step")}
    assert sgd["keep"] == sgd["reset-step"] != sgd["reset"]
    adam = {state: outcome(state, Adam()) for state in ("keep", "reset", "reset-step")}
    assert len({distances[0] for distances in adam.values()}) == 1
    assert len({distances[-1] for distances in adam.values()}) == 3


def test_optimizers_that_select_are_refused_in_one_line():
    settings = {"training": {"optimizer_state": "reset-step"}}
    with pytest.raises(UserError, match=r"reset-step needs .* NanoAdam with density=0\.1"):
        assembly.check([spec("nanoadam", settings=settings)], Context())
    assembly.check([spec("adam", settings=settings)], Context())
    parameters = [nn.Parameter(torch.ones(3))]
    check_restart(CautiousAdamW(parameters))
    with pytest.raises(ValueError, match="MoFO with density"):
        check_restart(MoFO(parameters))
