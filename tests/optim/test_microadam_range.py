"""MicroAdam on gradients that are not finite, or beyond the range of its window's type."""

import pytest
import torch
from torch import nn
from trajectories import assert_same

from nanocl.optim import MicroAdam
from nanocl.optim._reference.microadam import MicroAdamReference

OPTIONS = {"lr": 0.01, "density": 0.05, "block_size": 128, "window": 4}
PATHS = {"compiled": True, "plain": False}


def gradients(steps, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(256, generator=generator).to(dtype) for _ in range(steps)]


@pytest.mark.parametrize("fused", PATHS.values(), ids=PATHS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_an_entry_that_is_not_finite_reaches_its_own_weight_only(value, dtype, fused):
    param = nn.Parameter(torch.zeros(256, dtype=dtype))
    optimizer = MicroAdam([param], fused=fused, **OPTIONS)
    for step, gradient in enumerate(gradients(40, dtype)):
        param.grad = gradient.clone()
        if step == 3:
            param.grad[70] = value
        optimizer.step()
    finite = param.isfinite()
    assert not finite[70] and finite.sum() == 255
    state = optimizer.state[param]
    assert state["low"].isfinite().all() and state["high"].isfinite().all()
    # the other weights of its bucket still train
    assert (param[64:128][finite[64:128]] != 0).sum() > 40


def test_more_such_entries_than_a_block_sends_leave_the_error_finite_too():
    for fused in PATHS.values():
        param = nn.Parameter(torch.zeros(256))
        optimizer = MicroAdam([param], fused=fused, **OPTIONS)
        for step, gradient in enumerate(gradients(3)):
            param.grad = gradient.clone()
            if step == 1:
                param.grad[:20] = torch.inf
            optimizer.step()
        assert optimizer.state[param]["low"].isfinite().all()
        assert param[20:].isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_compiled_and_plain_path_agree_on_them(dtype, value):
    results = []
    for fused in PATHS.values():
        param = nn.Parameter(torch.zeros(256, dtype=dtype))
        optimizer = MicroAdam([param], fused=fused, **OPTIONS)
        for step, gradient in enumerate(gradients(9, dtype)):
            param.grad = gradient.clone()
            if step == 3:
                param.grad[70:80] = value
            optimizer.step()
        results.append((param.detach(), *map(optimizer.state[param].get, CODES)))
    (weights, *states), (others, *other_states) = results
    torch.testing.assert_close(weights, others, rtol=1e-6, atol=1e-8, equal_nan=True)
    assert_same(states, other_states)


CODES = ("codes", "low", "high", "offset")


@pytest.mark.parametrize("fused", PATHS.values(), ids=PATHS)
def test_gradients_beyond_the_windows_range_step_along_their_sign(fused):
    """float64 gradients of 1e60; bfloat16 ends at 3.4e38."""
    param = nn.Parameter(torch.zeros(256, dtype=torch.float64))
    optimizer = MicroAdam([param], fused=fused, lr=0.01, density=1.0)
    sign = gradients(1, torch.float64)[0].sign()
    for _ in range(5):
        param.grad = sign * 1e60
        optimizer.step()
    # a constant gradient is five steps of one learning rate, while the window has room
    torch.testing.assert_close(param.detach(), -0.05 * sign, rtol=1e-6, atol=0)


def test_gradients_beyond_the_windows_range_follow_the_reference_on_both_paths():
    options = {**OPTIONS, "density": 0.1}
    for fused in PATHS.values():
        param = nn.Parameter(torch.zeros(256, dtype=torch.float64))
        optimizer = MicroAdam([param], fused=fused, **options)
        reference = MicroAdamReference([param], **options)
        for gradient in gradients(12, torch.float64):
            param.grad = gradient * 1e38
            optimizer.step()
            reference.step([param.grad])
        assert param.isfinite().all() and param.abs().max() > 0.05
        torch.testing.assert_close(param.detach(), reference.params[0], rtol=0, atol=1e-13)
