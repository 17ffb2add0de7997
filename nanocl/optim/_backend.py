"""Chooses the implementation for a parameter: plain PyTorch, compiled for the CPU, or Triton.

Each kind of implementation is a package: `_plain`, `_compiled`, `_triton`. An algorithm is a module
in it, found by its name, so adding an algorithm does not change this file. `_plain` has every
function; where another kind lacks one, the plain function is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

from torch import Tensor

from nanocl.optim._compiled import arrays
from nanocl.optim._threads import Work
from nanocl.optim._triton import tensors

try:
    from nanocl.optim._compiled.repeat import RepeatedStep
except ImportError:  # numba is missing
    HAS_NUMBA = False
else:
    HAS_NUMBA = True

PLAIN = "_plain"
COMPILED = "_compiled"
TRITON = "_triton"


def function_for(
    param: Tensor,
    fused: bool | None,
    algorithm: str,
    name: str = "",
) -> Callable[..., Any]:
    """The function of an algorithm for a parameter that has a gradient; `_plain` documents it.

    Args:
        fused: The option of the optimizers: True demands a kernel, False forbids one.
        algorithm: Name of the module.
        name: Name of the function, by default that of the algorithm.

    Raises:
        ValueError: `fused` is True and no kernel fits the parameter.
    """
    return _function(kind_for(param, fused), algorithm, name or algorithm)


def kind_for(param: Tensor, fused: bool | None) -> str:
    """The kind of implementation that fits a parameter with a gradient; see `function_for`."""
    if fused is False:
        return PLAIN
    if HAS_NUMBA and arrays.fits(param):
        return COMPILED
    if tensors.fits(param) and _has_triton():
        return TRITON
    if fused:
        raise ValueError(
            "fused must be False or None unless parameter and gradient are contiguous and of one "
            "type (CPU with numba: float32, bfloat16, float64; GPU with triton: float32, bfloat16, "
            f"float16), got True for a {param.dtype} parameter on {param.device}"
        )
    return PLAIN


@cache
def _has_triton() -> bool:
    try:
        import triton  # noqa: F401  only once a parameter is on a GPU: it takes a second to load
    except ImportError:
        return False
    return True


@cache  # called for each parameter in each step
def _function(kind: str, algorithm: str, name: str) -> Callable[..., Any]:
    module = f"nanocl.optim.{kind}.{algorithm}"
    if kind == PLAIN:
        return getattr(import_module(module), name)
    function = getattr(import_module(module), name, None) if find_spec(module) else None
    if function is None:
        return _function(PLAIN, algorithm, name)
    return function


def repeated_step(
    params: list[Tensor], states: Any, group: dict[str, Any], works: Sequence[Work]
) -> Repeated | None:
    """The step that gave `works`, to repeat it: see `RepeatedStep.of` and `RepeatedLaunch.of`."""
    kind = kind_for(params[0], group.get("fused"))
    if kind == COMPILED:
        return RepeatedStep.of(params, states, group, works) if works else None
    if kind == TRITON and works:
        module = import_module("nanocl.optim._triton.repeat")  # loads Triton
        repeated: Repeated | None = module.RepeatedLaunch.of(params, states, group, works)
        return repeated
    return None


class Repeated(Protocol):
    """A step of a group that can be repeated; see `RepeatedStep`."""

    selected: bool

    @property
    def steps(self) -> set[int]: ...

    def again(self, params: list[Tensor], states: Any, group: dict[str, Any]) -> list[Work] | None:
        """Take one more step and return its loops; None if anything changed."""
