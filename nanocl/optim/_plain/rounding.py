"""Random numbers that are a function of a counter, and stochastic rounding to bfloat16 with them.

Nothing is stored and nothing is drawn from torch's generators: a number depends on a key, the step
and the place, so a run can stop anywhere and go on with the same numbers.
"""

from __future__ import annotations

import torch
from torch import Tensor

MASK = 0xFFFFFFFF
MOMENTS_KEY, WEIGHTS_KEY, SELECTION_KEY = range(
    3
)  # random bits for one purpose tell nothing of another
GOLDEN = 0x9E3779B9  # 2**32 over the golden ratio: consecutive counters land far apart


def mix(value):
    """Scramble 32 bits; an int, or an int64 tensor that holds them.

    Source: the 32-bit finalizer of MurmurHash3 (Appleby, 2011).
    """
    value = ((value ^ (value >> 16)) * 0x85EBCA6B) & MASK
    value = ((value ^ (value >> 13)) * 0xC2B2AE35) & MASK
    return value ^ (value >> 16)


def stream_key(*counters: int) -> int:
    """A 32-bit key from a seed and counters (ordinal of the parameter, step, purpose)."""
    key = 0
    for counter in counters:
        key = mix((key * 31 + counter * GOLDEN + 1) & MASK)
    return key


def random_bits(key: int, count: int, device: torch.device | None = None) -> Tensor:
    """32 random bits for each place 0 ... count - 1, as int64."""
    return mix((torch.arange(count, device=device) * GOLDEN + key) & MASK)


def store(target: Tensor, values: Tensor, bits: Tensor | None) -> None:
    """Write `values` into `target`: rounded stochastically with 16 random bits each, to nearest without bits.

    Bits are used only where `target` is bfloat16: elsewhere the state is as fine as the arithmetic.
    """
    if bits is not None and target.dtype == torch.bfloat16:
        values = stochastic_bfloat16(values.float(), bits)
    target.copy_(values)


def stochastic_bfloat16(values: Tensor, bits: Tensor) -> Tensor:
    """Round float32 to one of its two bfloat16 neighbours, each with the probability of its nearness.

    Args:
        values: float32, any shape.
        bits: Integers in [0, 65536), the same shape.
    """
    raised = (values.view(torch.int32) + bits.to(torch.int32)) & -65536
    return torch.where(values.isfinite(), raised.view(torch.float32), values).to(torch.bfloat16)
