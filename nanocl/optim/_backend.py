"""Which of the kinds of arithmetic a parameter gets: plain PyTorch or compiled loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from . import _plain, _plain_microadam

try:
    from . import _fused, _fused_microadam
except ImportError:  # no numba here
    _fused = None


class Backend(NamedTuple):
    """The functions that exist in each kind; `_plain` documents them."""

    select: Callable
    select_random: Callable
    reselect: Callable
    adamw: Callable
    microadam: Callable


PLAIN = Backend(_plain.select, _plain.select_random, _plain.reselect, _plain.adamw, _plain_microadam.microadam)
FUSED = None if _fused is None else Backend(
    _fused.select, _fused.select_random, _fused.reselect, _fused.adamw, _fused_microadam.microadam)


def backend(param: Tensor, fused: bool | None) -> Backend:
    """The kind that fits a parameter with a gradient.

    Raises:
        ValueError: `fused` is True and there is no kernel for the parameter.
    """
    if fused is not False and FUSED is not None and _fused.fits(param):
        return FUSED
    if fused:
        raise ValueError(f"fused must be False or None unless numba is installed and parameter and gradient are "
                         f"contiguous float32, bfloat16 or float64 tensors of the CPU, got True for a {param.dtype} "
                         f"parameter on {param.device}")
    return PLAIN
