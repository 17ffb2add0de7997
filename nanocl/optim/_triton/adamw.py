"""A step of AdamW as one Triton kernel: gather, update and scatter in one pass."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
import triton
import triton.language as tl
from torch import Tensor

from nanocl.optim._corrections import corrections
from nanocl.optim._gradients import gradient_of
from nanocl.optim._plain.adamw import AdamStep
from nanocl.optim._threads import Work
from nanocl.optim._triton.entries import step_entries

BLOCK = 1024  # entries that a program takes at a time
PARTS = 4  # programs that share a chunk
DENSE_CHUNK = 32768  # entries of a chunk where there is no selection


def adamw(param: Tensor, state: dict[str, Any], step: AdamStep) -> list[Work]:
    """See `_plain.adamw.adamw`. Arithmetic is in float32; the moments are float32 or bfloat16."""
    chunk = state["chunk"] if "offset" in state else DENSE_CHUNK
    chunks = -(-param.numel() // chunk)
    if chunks > 0:
        _launch(param, state, step, chunk, chunks)
    return [LAUNCHED]


def _nothing(first: int, last: int) -> None:
    """The loop of a step that a kernel takes already."""


# tells `RepeatedLaunch` that this kernel took a step
LAUNCHED = Work(_nothing, (), 1, 1)


def _launch(
    param: Tensor,
    state: dict[str, Any],
    step: AdamStep,
    chunk: int,
    chunks: int,
) -> None:
    mean = state["mean"]
    square = state["square"]
    numbers = numbers_of(step, mean, aged="age" in state)
    tensors = bits(param), bits(gradient_of(param)), bits(mean), bits(square)
    selection = [state.get(name, mean) for name in ("start", "offset", "age")]
    counts = step.since, numbers.oldest, param.numel(), chunk
    keys = step.key, step.weight_key or 0
    _adamw[(chunks, PARTS)](
        *(*tensors, *selection, *numbers.tables, *numbers.factors, *counts, *keys),
        SPARSE="offset" in state,
        AGED="age" in state,
        STOCHASTIC=step.weight_key is not None,
        PARAM_BITS=param.dtype == torch.bfloat16,
        STATE_BITS=mean.dtype == torch.bfloat16,
        BLOCK=BLOCK,
        PARTS=PARTS,
    )


class Numbers(NamedTuple):
    """What the kernels need of a step beside addresses.

    Attributes:
        tables: The bias corrections of each age, on the device; any tensors where all entries have
            one age.
        factors: lr, 1 - beta1, beta2, 1 - beta2, eps, decay, and the bias corrections of the one
            age, which as arguments need no copy to the device.
        oldest: The last age in the tables.
    """

    tables: tuple[Tensor, Tensor]
    factors: tuple[float, ...]
    oldest: int


def numbers_of(step: AdamStep, unused: Tensor, *, aged: bool) -> Numbers:
    """The numbers of a step; `unused` is any tensor on its device."""
    rates = step.lr, 1 - step.beta1, step.beta2, 1 - step.beta2, step.eps, step.decay
    if aged:
        tables = _tables(step.beta1, step.beta2, unused.device)
        return Numbers(tables, (*rates, 0.0, 0.0), len(tables[0]) - 1)
    first, second = corrections(step.beta1, step.beta2, step.since, np.float32)
    return Numbers((unused, unused), (*rates, float(first[0]), float(second[0])), 0)


def bits(tensor: Tensor) -> Tensor:
    """bfloat16 as integers, because the kernel rounds by itself."""
    if tensor.dtype == torch.bfloat16:
        return tensor.detach().view(torch.int16)
    return tensor.detach()


@lru_cache(maxsize=8)
def _tables(beta1: float, beta2: float, device: torch.device) -> tuple[Tensor, Tensor]:
    inverse1, inverse2 = corrections(beta1, beta2, None, np.float32)
    return torch.from_numpy(inverse1).to(device), torch.from_numpy(inverse2).to(device)


@triton.jit(do_not_specialize=["since", "oldest", "numel", "key", "weight_key"])
def _adamw(
    param,
    grad,
    mean,
    square,
    start,
    offset,
    age,
    inverse1,
    inverse2,
    lr,
    rest1,
    beta2,
    rest2,
    eps,
    decay,
    scale1,
    scale2,
    since,
    oldest,
    numel,
    chunk,
    key,
    weight_key,
    SPARSE: tl.constexpr,
    AGED: tl.constexpr,
    STOCHASTIC: tl.constexpr,
    PARAM_BITS: tl.constexpr,
    STATE_BITS: tl.constexpr,
    BLOCK: tl.constexpr,
    PARTS: tl.constexpr,
):
    """Program (c, part) updates every PARTS-th block of the entries of chunk c."""
    c = tl.program_id(0).to(tl.int64)
    # fmt: off
    _update(
        param, grad, mean, square, start, offset, age, inverse1, inverse2,
        lr, rest1, beta2, rest2, eps, decay, scale1, scale2,
        since, oldest, numel, chunk, key, weight_key, c,
        SPARSE, AGED, STOCHASTIC, PARAM_BITS, STATE_BITS, BLOCK, PARTS,
    )
    # fmt: on


@triton.jit
def _adamw_together(
    table,
    owner,
    inverse1,
    inverse2,
    lr,
    rest1,
    beta2,
    rest2,
    eps,
    decay,
    scale1,
    scale2,
    since,
    oldest,
    PARAM: tl.constexpr,
    OFFSET: tl.constexpr,
    SPARSE: tl.constexpr,
    AGED: tl.constexpr,
    PARAM_BITS: tl.constexpr,
    COLUMNS: tl.constexpr,
    BLOCK: tl.constexpr,
    PARTS: tl.constexpr,
):
    """As `_adamw` for many parameters; program (p, part) has a chunk of parameter owner[p].

    A row of `table`: addresses of parameter, gradient, mean, square, start, offset, age; entries,
    length of a chunk, updates beyond `since`, number of the parameter's first program.
    """
    program = tl.program_id(0)
    row = table + tl.load(owner + program).to(tl.int64) * COLUMNS
    param = tl.load(row).to(tl.pointer_type(PARAM))
    grad = tl.load(row + 1).to(tl.pointer_type(PARAM))
    mean = tl.load(row + 2).to(tl.pointer_type(tl.float32))
    square = tl.load(row + 3).to(tl.pointer_type(tl.float32))
    start = tl.load(row + 4).to(tl.pointer_type(tl.int64))
    offset = tl.load(row + 5).to(tl.pointer_type(OFFSET))
    age = tl.load(row + 6).to(tl.pointer_type(tl.int16))
    numel = tl.load(row + 7)
    chunk = tl.load(row + 8)
    since = since + tl.load(row + 9).to(tl.int32)
    c = program.to(tl.int64) - tl.load(row + 10)
    key = chunk * 0  # neither weights nor moments are rounded at random
    # fmt: off
    _update(
        param, grad, mean, square, start, offset, age, inverse1, inverse2,
        lr, rest1, beta2, rest2, eps, decay, scale1, scale2,
        since, oldest, numel, chunk, key, key, c,
        SPARSE, AGED, False, PARAM_BITS, False, BLOCK, PARTS,
    )
    # fmt: on


@triton.jit
def _update(
    param,
    grad,
    mean,
    square,
    start,
    offset,
    age,
    inverse1,
    inverse2,
    lr,
    rest1,
    beta2,
    rest2,
    eps,
    decay,
    scale1,
    scale2,
    since,
    oldest,
    numel,
    chunk,
    key,
    weight_key,
    c,
    SPARSE: tl.constexpr,
    AGED: tl.constexpr,
    STOCHASTIC: tl.constexpr,
    PARAM_BITS: tl.constexpr,
    STATE_BITS: tl.constexpr,
    BLOCK: tl.constexpr,
    PARTS: tl.constexpr,
):
    """Every PARTS-th block of the entries of chunk c, beginning with that of this program."""
    if SPARSE:
        begin, end = tl.load(start + c), tl.load(start + c + 1)
    else:
        begin, end = c * chunk, tl.minimum((c + 1) * chunk, numel)
    for first in range(begin + tl.program_id(1) * BLOCK, end, PARTS * BLOCK):
        j = first + tl.arange(0, BLOCK)
        inside = j < end
        # gather: j is the place in the state, i the place in the parameter
        i = c * chunk + tl.load(offset + j, mask=inside, other=0) if SPARSE else j
        if AGED:
            updates = tl.load(age + j, mask=inside, other=0).to(tl.int32) + since
            updates = tl.minimum(updates, oldest)
            factor1, factor2 = tl.load(inverse1 + updates), tl.load(inverse2 + updates)
        else:
            factor1, factor2 = scale1, scale2
        # fmt: off
        step_entries(
            param, grad, mean, square, i, j, inside, factor1, factor2,
            lr, rest1, beta2, rest2, eps, decay, key, weight_key,
            STOCHASTIC, PARAM_BITS, STATE_BITS,
        )
        # fmt: on
