"""Four bits an entry, on 16 even levels between the lowest and the highest of a bucket.

Two codes share a byte, the even place in the low half. Source: Modoranu et al., NeurIPS 2024, arXiv:2405.15593,
Algorithm 2, with the rounding of the authors' kernels: to the nearest level, and zero is in general no level.
"""

from __future__ import annotations

import torch
from torch import Tensor

LEVELS = 15


def dequantise(codes: Tensor, low: Tensor, high: Tensor, bucket: int, numel: int, dtype: torch.dtype) -> Tensor:
    """Flat values, shape (numel,), of codes with shape (ceil(numel / 2),) and buckets with shape (buckets,)."""
    both = torch.stack((codes & 15, codes >> 4), dim=1).view(-1)[:numel].to(dtype)
    low, high = low.to(dtype), high.to(dtype)
    unit = (high - low) / LEVELS
    place = torch.arange(numel, device=codes.device) // bucket
    return both * unit[place] + low[place]


def quantise(values: Tensor, codes: Tensor, low: Tensor, high: Tensor, bucket: int) -> None:
    """Write the codes and the bounds of the buckets of `values`, shape (n,).

    Bounds are rounded outwards to their dtype, so that an entry is never further than half a level from its own.
    """
    buckets = _padded(values, bucket)
    low.copy_(_rounded(buckets.amin(1), low.dtype, -torch.inf))
    high.copy_(_rounded(buckets.amax(1), high.dtype, torch.inf))
    floor = low.to(values.dtype).unsqueeze(1)
    unit = (high.to(values.dtype).unsqueeze(1) - floor) / LEVELS
    level = ((buckets - floor) / unit + 0.5).floor_().clamp_(0, LEVELS)
    level = torch.where(unit > 0, level, 0).view(-1)[:len(values)].to(torch.uint8)
    codes.copy_(level[::2])
    codes[:len(values) // 2] |= level[1::2] << 4


def _padded(values: Tensor, bucket: int) -> Tensor:
    """Rows of a bucket each; the last one is filled up with its own last value, which moves no bound."""
    missing = -len(values) % bucket
    return torch.cat((values, values[-1:].expand(missing))).view(-1, bucket)


def _rounded(bounds: Tensor, dtype: torch.dtype, direction: float) -> Tensor:
    rounded = bounds.to(dtype)
    inside = rounded.to(bounds.dtype) > bounds if direction < 0 else rounded.to(bounds.dtype) < bounds
    return torch.where(inside, torch.nextafter(rounded, torch.full_like(rounded, direction)), rounded)
