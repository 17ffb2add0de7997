"""Which implementation a parameter gets, and that missing ones fall back to plain PyTorch."""

import pytest
import torch
from torch import nn

from nanocl.optim import MicroAdam, NanoAdam, _backend
from nanocl.optim._backend import function_for, kind_for
from nanocl.optim._gradients import gradient_of


def parameter(dtype=torch.float32, shape=(4, 3)):
    param = nn.Parameter(torch.ones(shape, dtype=dtype))
    param.grad = torch.ones_like(param)
    return param


@pytest.mark.parametrize(
    ("fused", "dtype", "kind"),
    [
        (None, torch.float32, "_compiled"),
        (True, torch.bfloat16, "_compiled"),
        (False, torch.float32, "_plain"),
        (None, torch.float16, "_plain"),
    ],
)
def test_the_kind_follows_from_the_option_and_the_type(fused, dtype, kind):
    assert kind_for(parameter(dtype), fused) == kind


def test_a_transposed_parameter_or_gradient_gets_plain_pytorch():
    transposed = nn.Parameter(torch.ones(4, 3).t())
    transposed.grad = torch.ones(3, 4)
    param = parameter()
    param.grad = torch.ones(3, 4).t()
    assert kind_for(transposed, None) == kind_for(param, None) == "_plain"


def test_without_numba_the_cpu_gets_plain_pytorch(monkeypatch):
    monkeypatch.setattr(_backend, "HAS_NUMBA", False)
    assert kind_for(parameter(), None) == "_plain"
    with pytest.raises(ValueError, match="fused must be False or None"):
        kind_for(parameter(), True)


@pytest.mark.parametrize(
    ("algorithm", "name"), [("adamw", ""), ("mofo", ""), ("selector", "select_random")]
)
def test_a_function_is_found_by_the_names_of_kind_and_algorithm(algorithm, name):
    for fused, kind in ((None, "_compiled"), (False, "_plain")):
        function = function_for(parameter(), fused, algorithm, name)
        assert function.__module__ == f"nanocl.optim.{kind}.{algorithm}"
        assert function.__name__ == name or algorithm


def test_an_algorithm_that_a_kind_lacks_is_the_plain_one(monkeypatch):
    monkeypatch.setattr(_backend, "kind_for", lambda param, fused: "_triton")
    for algorithm in ("mofo", "microadam"):
        plain = function_for(parameter(), None, algorithm)
        assert plain.__module__ == f"nanocl.optim._plain.{algorithm}"


def test_an_algorithm_that_does_not_exist_is_an_error():
    with pytest.raises(ModuleNotFoundError, match="no_such_algorithm"):
        function_for(parameter(), False, "no_such_algorithm")


def test_a_kernel_that_is_demanded_and_does_not_fit_is_refused():
    transposed = nn.Parameter(torch.ones(4, 3).t())
    transposed.grad = torch.ones_like(transposed)
    for param in (transposed, parameter(torch.float16)):
        with pytest.raises(ValueError, match="fused must be False or None"):
            NanoAdam([param], fused=True).step()
        NanoAdam([param]).step()
    with pytest.raises(ValueError, match="quant_block"):
        MicroAdam([parameter()], quant_block=7, fused=True)


def test_a_parameter_without_gradient_is_refused():
    with pytest.raises(RuntimeError, match=r"shape \(5,\) has no gradient"):
        gradient_of(nn.Parameter(torch.ones(5)))
