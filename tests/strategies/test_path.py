"""The steps of SI's path integral, compiled and plain."""

import pytest
import torch

from nanocl.strategies import _compiled
from nanocl.strategies._path import PathSteps

LENGTHS = (1, 67, 8193, 70001)


def tensors(kind):
    return [torch.randn(length, dtype=kind) for length in LENGTHS]


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_compiled_and_plain_steps_are_equal_to_the_bit(kind, monkeypatch):
    torch.manual_seed(0)
    grads, params, anchor, omega, path = (tensors(kind) for _ in range(5))
    after = tensors(kind)
    results = []
    for long in (0, 10**9):
        monkeypatch.setattr(_compiled, "LONG", long)
        if long:
            monkeypatch.delitem(_compiled.sys.modules, "numba", raising=False)
        steps = PathSteps()
        gradient, weight = tensors(kind), tensors(kind)
        total = [value.clone() for value in path]
        steps.own_gradients((grads, params), (anchor, omega), (gradient, weight), -0.3)
        steps.add_to_path(after, weight, gradient, total)
        assert bool(steps._rows) == (not long)
        results.append([*gradient, *total])
    assert all(map(torch.equal, *results))


def test_the_rows_follow_the_parameters_that_are_used(monkeypatch):
    monkeypatch.setattr(_compiled, "LONG", 0)
    torch.manual_seed(0)
    steps = PathSteps()
    grads, params, anchor, omega, gradient, weight = (tensors(torch.float32) for _ in range(6))
    for used in (slice(0, 4), slice(1, 3), slice(0, 4)):
        columns = [column[used] for column in (grads, params, anchor, omega, gradient, weight)]
        for copied in gradient:
            copied.zero_()
        steps.own_gradients(tuple(columns[:2]), tuple(columns[2:4]), tuple(columns[4:]), 2.0)
        for position in range(4):
            offset = params[position] - anchor[position]
            expected = grads[position] + 2 * offset * omega[position]
            is_used = position in range(4)[used]
            torch.testing.assert_close(
                gradient[position], expected if is_used else torch.zeros_like(expected)
            )
