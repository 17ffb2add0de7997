"""Which kind of arithmetic a parameter gets: plain PyTorch, compiled loops on the CPU, a Triton kernel on the GPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from . import _plain, _plain_filtered, _plain_microadam

try:
    from . import _fused, _fused_filtered, _fused_microadam
    from ._fused_steady import Steady
except ImportError:  # no numba here
    _fused = Steady = None

try:
    if torch.cuda.is_available():  # it takes a second to load
        from . import _triton
    else:
        _triton = None
except ImportError:
    _triton = None


class Backend(NamedTuple):
    """The functions that exist in each kind; `_plain` and `_plain_...` document them."""

    select: Callable
    select_random: Callable
    reselect: Callable
    adamw: Callable
    microadam: Callable
    mofo: Callable
    cautious: Callable


PLAIN = Backend(
    _plain.select,
    _plain.select_random,
    _plain.reselect,
    _plain.adamw,
    _plain_microadam.microadam,
    _plain_filtered.mofo,
    _plain_filtered.cautious,
)
FUSED = (
    None
    if _fused is None
    else Backend(
        _fused.select,
        _fused.select_random,
        _fused.reselect,
        _fused.adamw,
        _fused_microadam.microadam,
        _fused_filtered.mofo,
        _fused_filtered.cautious,
    )
)
TRITON = None if _triton is None else PLAIN._replace(adamw=_triton.adamw)


def backend(param: Tensor, fused: bool | None) -> Backend:
    """The kind that fits a parameter with a gradient.

    Raises:
        ValueError: `fused` is True and there is no kernel for the parameter.
    """
    if fused is False:
        return PLAIN
    if FUSED is not None and _fused.fits(param):
        return FUSED
    if TRITON is not None and _triton.fits(param):
        return TRITON
    if fused:
        raise ValueError(
            f"fused must be False or None unless parameter and gradient are contiguous and of one type "
            f"(CPU with numba: float32, bfloat16, float64; GPU with triton: float32, bfloat16, float16), "
            f"got True for a {param.dtype} parameter on {param.device}"
        )
    return PLAIN
