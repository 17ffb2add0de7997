"""Which kind of arithmetic a parameter gets: plain PyTorch, compiled loops on the CPU, a Triton kernel on the GPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from nanocl.optim._plain import adamw as _plain
from nanocl.optim._plain import filtered as _plain_filtered
from nanocl.optim._plain import microadam as _plain_microadam

try:
    from nanocl.optim._compiled import adamw as _fused
    from nanocl.optim._compiled import filtered as _fused_filtered
    from nanocl.optim._compiled import microadam as _fused_microadam
    from nanocl.optim._compiled.repeat import Steady
except ImportError:  # no numba here
    _fused = Steady = None

try:
    if torch.cuda.is_available():  # it takes a second to load
        from nanocl.optim._triton import adamw as _triton
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
