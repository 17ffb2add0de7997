"""A step of MicroAdam in plain PyTorch; see `MicroAdam` for the source.

The error takes 4 bits an entry: one of 16 even levels between the lowest and the highest value of
its bucket. Two codes share a byte, the one of even position in the lower half.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from nanocl.optim._gradients import gradient_of
from nanocl.optim._plain.adamw import arithmetic_dtype
from nanocl.optim._plain.selection import chunk_of, even_starts
from nanocl.optim._plain.selector import select
from nanocl.optim._threads import Work

LEVELS = 15


def microadam(param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> list[Work]:
    """Take step `state["step"]`.

    Returns:
        Loops still to run; here none.
    """
    _send(param, state)
    flat = param.reshape(-1).to(arithmetic_dtype(param))
    lr, *betas, eps, weight_decay = numbers_of(group)
    mean, square = _window_moments(state, len(flat), betas, flat.dtype)
    # last line of Algorithm 1: w <- w - lr m / (sqrt v + eps), where the window has entries
    flat = flat * (1 - lr * weight_decay)
    flat -= torch.where(mean != 0, lr * mean / (square.sqrt_() + eps), 0)
    param.copy_(flat.view_as(param))
    return []


def numbers_of(group: dict[str, Any]) -> tuple[float, ...]:
    """lr, beta1, beta2, eps, weight_decay; a tensor may change in place, so they are read anew."""
    beta1, beta2 = group["betas"]
    lr, eps, weight_decay = float(group["lr"]), float(group["eps"]), float(group["weight_decay"])
    return lr, float(beta1), float(beta2), eps, weight_decay


def _send(param: Tensor, state: dict[str, Any]) -> None:
    """Move the largest entries of gradient plus error to the window; keep the rest as the error."""
    row = (state["step"] - 1) % len(state["value"])
    total = gradient_of(param).reshape(-1).to(arithmetic_dtype(param))
    error_state = state["codes"], state["low"], state["high"], state["bucket"]
    # Algorithm 1: a <- g + Q^-1(e)
    total = total + dequantise(*error_state, len(total), total.dtype)
    # ... (I, V) <- TopK(|a|), into the oldest row of the window
    state["offset"][row] = select(total, state["density"], state["block"], largest=True)
    index = _indices(state, state["offset"][row], len(total))
    sent = total[index]
    limit = largest_kept(total.dtype, state["value"].dtype)
    # an infinite entry stays infinite, so that a diverged run shows
    state["value"][row] = torch.where(sent.isinf(), sent, sent.clamp(-limit, limit))
    # ... e <- Q(a without the entries sent; what rounding V lost remains)
    total[index] -= state["value"][row].to(total.dtype)
    # NaN in the error would spread to the bucket and stay in it
    total.nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0).clamp_(-limit, limit)
    quantise(total, *error_state)


def largest_kept(arithmetic: torch.dtype, state: torch.dtype) -> float:
    """Magnitude that the window and the error keep; larger ones are set to it.

    Half of the largest number of both types: the distance of two bounds must be finite too.
    """
    return min(torch.finfo(arithmetic).max, torch.finfo(state).max) / 2


def _indices(state: dict[str, Any], offset: Tensor, numel: int) -> Tensor:
    """Positions in the flat parameter of one row of offsets, or of each of several rows."""
    start = even_starts(numel, state["density"], state["block"], offset.device)
    chunk = chunk_of(start, offset.shape[-1])
    return chunk * state["block"] + offset.to(torch.int64)


def _window_moments(
    state: dict[str, Any],
    numel: int,
    betas: Sequence[float],
    dtype: torch.dtype,
) -> tuple[Tensor, Tensor]:
    """Bias-corrected moments of the rows in the window, dense, shape (numel,) each."""
    device = state["value"].device
    mean = torch.zeros(numel, dtype=dtype, device=device)
    square = torch.zeros(numel, dtype=dtype, device=device)
    window = len(state["value"])
    step = state["step"]
    beta1, beta2 = betas
    filled = min(window, step)
    index = _indices(state, state["offset"][:filled], numel)
    value = state["value"][:filled].to(dtype)
    # procedure ADAMSTATS: z <- sum over the rows of beta^age V, or of beta^age V^2; row by row,
    # since the entries of one row are distinct, so that the order of sums is always the same
    for row in range(filled):
        age = (step - 1 - row) % window
        mean.index_add_(0, index[row], value[row], alpha=beta1**age)
        square.index_add_(0, index[row], value[row].square(), alpha=beta2**age)
    mean *= (1 - beta1) / (1 - beta1**step)
    square *= (1 - beta2) / (1 - beta2**step)
    return mean, square


def dequantise(
    codes: Tensor,
    low: Tensor,
    high: Tensor,
    bucket: int,
    numel: int,
    dtype: torch.dtype,
) -> Tensor:
    """Flat values, shape (numel,).

    Args:
        codes: Shape (ceil(numel / 2),), uint8, two codes each.
        low, high: Bounds of the buckets, shape (buckets,).
    """
    both = torch.stack((codes & 15, codes >> 4), dim=1).view(-1)[:numel].to(dtype)
    low = low.to(dtype)
    high = high.to(dtype)
    # Algorithm 2, Q^-1: x <- code * unit + low
    unit = (high - low) / LEVELS
    place = torch.arange(numel, device=codes.device) // bucket
    return both * unit[place] + low[place]


def quantise(
    values: Tensor,
    codes: Tensor,
    low: Tensor,
    high: Tensor,
    bucket: int,
) -> None:
    """Write the codes and the bounds of the buckets of `values`, shape (n,).

    Bounds are rounded outwards to their dtype, so that no entry is further than half a level from
    its code.

    Source: Modoranu et al., 2024, arXiv:2405.15593, Algorithm 2, with the rounding of the authors'
        kernels: to the nearest level. In general zero is not a level.
    """
    buckets = _padded(values, bucket)
    least = buckets.amin(1)
    most = buckets.amax(1)
    low.copy_(_rounded_outwards(least, low.dtype, -torch.inf))
    high.copy_(_rounded_outwards(most, high.dtype, torch.inf))
    # Algorithm 2, Q: code <- floor((x - low) / unit + 1/2)
    floor = low.to(values.dtype).unsqueeze(1)
    ceiling = high.to(values.dtype).unsqueeze(1)
    unit = (ceiling - floor) / LEVELS
    level = ((buckets - floor) / unit + 0.5).floor_().clamp_(0, LEVELS)
    level = torch.where(unit > 0, level, 0).view(-1)
    level = level[: len(values)].to(torch.uint8)
    codes.copy_(level[::2])
    codes[: len(values) // 2] |= level[1::2] << 4


def _padded(values: Tensor, bucket: int) -> Tensor:
    """One row a bucket; the last row repeats its last value, which changes no bound."""
    missing = -len(values) % bucket
    return torch.cat((values, values[-1:].expand(missing))).view(-1, bucket)


def _rounded_outwards(bounds: Tensor, dtype: torch.dtype, direction: float) -> Tensor:
    rounded = bounds.to(dtype)
    back = rounded.to(bounds.dtype)
    inside = back > bounds if direction < 0 else back < bounds
    outward = torch.nextafter(rounded, torch.full_like(rounded, direction))
    return torch.where(inside, outward, rounded)
