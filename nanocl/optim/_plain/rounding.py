"""Random bits as a function of a counter, and stochastic rounding to bfloat16 with them.

Nothing is stored and torch's generators are not used: the bits depend on a key and a position, so
an interrupted run resumes with the same bits.
"""

from __future__ import annotations

from typing import Any, TypeVar, overload

import torch
from torch import Tensor

Integers = TypeVar("Integers", int, Tensor)

MASK = 0xFFFFFFFF
# the bits that round moments, round weights and select entries are independent of one another
MOMENTS_KEY, WEIGHTS_KEY, SELECTION_KEY = range(3)
GOLDEN = 0x9E3779B9  # 2**32 over the golden ratio: consecutive counters land far apart


def mix(value: Integers) -> Integers:
    """Scramble 32 bits, held in an int or in an int64 tensor.

    Source: the 32-bit finalizer of MurmurHash3 (Appleby, 2011).
    """
    value = ((value ^ (value >> 16)) * 0x85EBCA6B) & MASK
    value = ((value ^ (value >> 13)) * 0xC2B2AE35) & MASK
    return value ^ (value >> 16)


@overload
def stream_key(*counters: int) -> int: ...
@overload
def stream_key(*counters: int | Tensor) -> Any: ...
def stream_key(*counters: Any) -> Any:
    """A 32-bit key from a seed and counters, such as number of the parameter, step and purpose.

    A counter may be an int64 tensor; the key is then one, too.
    """
    key: Any = 0
    for counter in counters:
        key = mix((key * 31 + counter * GOLDEN + 1) & MASK)
    return key


def random_bits(key: int | Tensor, count: int, device: torch.device) -> Tensor:
    """32 random bits for each of the positions 0 ... count - 1, as int64."""
    return mix((torch.arange(count, device=device) * GOLDEN + key) & MASK)


def store(target: Tensor, values: Tensor, bits: Tensor | None) -> None:
    """Write `values` into `target`, rounded stochastically if there are 16 random bits for each.

    Only bfloat16 targets use the bits; other types are not rounded coarsely enough to need them.
    """
    if bits is not None and target.dtype == torch.bfloat16:
        values = stochastic_bfloat16(values.float(), bits)
    target.copy_(values)


def stochastic_bfloat16(values: Tensor, bits: Tensor) -> Tensor:
    """Round float32 to one of its two bfloat16 neighbours, the nearer one with higher probability.

    Args:
        values: float32, any shape.
        bits: Integers in [0, 65536), the same shape.
    """
    # a carry out of the lower half, which bfloat16 lacks, rounds away from zero
    raised = (values.view(torch.int32) + bits.to(torch.int32)) & -65536
    return torch.where(values.isfinite(), raised.view(torch.float32), values).to(torch.bfloat16)
