"""Seconds, bytes and peak memory of one optimizer, its steps in turn with those of the one it is compared with."""

from __future__ import annotations

import ctypes
import gc
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn
from torch.optim import Optimizer

from nanocl.training import measure

Params = list[nn.Parameter]
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Row(NamedTuple):
    """What was measured of an optimizer on a set of shapes; ratios are medians of those to fused AdamW in each round.

    Attributes:
        ms: Median of a step that selects nothing.
        base_ms: Median of a step of fused AdamW in the same rounds.
        ratio: Of steps taken in turn with fused AdamW.
        in_a_row: Of several steps in a row to as many of fused AdamW.
        selection_ms: What a step that selects takes more; 0 where there is none.
        selection_steps: The same in steps of fused AdamW.
        amortised: Ratio with one selection in 100 steps.
        state_bytes: Bytes of the state a parameter.
        peak_bytes: Most memory that appears with the optimizer and goes through its first steps,
            bytes a parameter.
    """

    shapes: str
    optimizer: str
    ms: float
    base_ms: float
    ratio: float
    in_a_row: float
    selection_ms: float
    selection_steps: float
    amortised: float
    state_bytes: float
    peak_bytes: float


class Times(NamedTuple):
    """Median seconds of two callables, and the median over the rounds of the second's in units of the first's."""

    first: float
    second: float
    ratio: float


def seconds(step: Callable[[], None], device: str) -> float:
    """Of one call, all the device's work included."""
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    step()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def in_turn(
    first: Callable[[], None], second: Callable[[], None], budget: float, device: str
) -> Times:
    """Times of both, called in turn until `budget` seconds are used, 7 times at least.

    In turn, so that other load of the machine hits both, and so that neither finds its data in the
    caches, as it would not after a backward pass.
    """
    return _rounds(lambda: (seconds(first, device), seconds(second, device)), budget, 7)


def in_a_row(
    first: Callable[[], None], second: Callable[[], None], budget: float, device: str
) -> Times:
    """As `in_turn`, but each 8 times in a row, as loops are often timed: what fits into the caches stays there."""

    def several(step: Callable[[], None]) -> float:
        return statistics.median(
            [seconds(step, device) for _ in range(8)][2:]
        )  # the first two fill the caches

    return _rounds(lambda: (several(first), several(second)), budget, 3)


def _rounds(both: Callable[[], tuple[float, float]], budget: float, least: int) -> Times:
    times: list[tuple[float, float]] = []
    begin = time.perf_counter()
    while len(times) < least or time.perf_counter() - begin < budget:
        times.append(both())
    columns = *zip(*times, strict=True), [second / first for first, second in times]
    return Times(*map(statistics.median, columns))


def row(
    shapes: str,
    name: str,
    params: Params,
    base: Optimizer,
    make: Callable[..., Optimizer],
    *,
    selects: bool,
    budget: float,
    device: str,
) -> Row:
    """Measure one optimizer against `base`, both on the same parameters."""
    entries = sum(param.numel() for param in params)
    optimizer, peak = _with_peak(make, device)
    state = sum(measure.tensor_bytes(dict(values)) for values in optimizer.state.values())
    turns = in_turn(base.step, optimizer.step, budget, device)
    rows = in_a_row(base.step, optimizer.step, budget, device)
    extra = steps = 0.0
    if selects:
        for group in optimizer.param_groups:
            group["mask_interval"] = 1
        selecting = in_turn(base.step, optimizer.step, budget, device)
        steps, extra = selecting.ratio - turns.ratio, selecting.second - turns.second
    return Row(
        shapes,
        name,
        1e3 * turns.second,
        1e3 * turns.first,
        turns.ratio,
        rows.ratio,
        1e3 * extra,
        steps,
        turns.ratio + steps / 100,
        state / entries,
        peak / entries,
    )


def _with_peak(make: Callable[..., Optimizer], device: str) -> tuple[Optimizer, int]:
    """An optimizer that has made its first steps, and the most memory that took."""
    _give_back()
    before = _memory("VmRSS", device, start=True)
    optimizer = make()
    for _ in range(3):
        optimizer.step()
    return optimizer, max(0, _memory("VmHWM", device) - before)


def _give_back() -> None:
    """Return freed memory to the system, as the optimizer would else reuse it unseen; glibc only."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _memory(name: str, device: str, *, start: bool = False) -> int:
    """Bytes of resident memory, now (VmRSS) or at most (VmHWM) since `start`; of the GPU's where that is the device."""
    if device == "cuda":
        if start:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        return (
            torch.cuda.memory_allocated() if name == "VmRSS" else torch.cuda.max_memory_allocated()
        )
    if start:
        _RESET.write_text("5")  # Linux: the high-water mark starts again from now
    return next(
        int(line.split()[1]) * 1024
        for line in _STATUS.read_text().splitlines()
        if line.startswith(name)
    )


def copy_bandwidth(params: Params, device: str) -> float:
    """Bytes a second of copying the parameters, read and written."""
    source, target = (
        [param.detach() for param in params],
        [param.detach().clone() for param in params],
    )
    took = in_turn(lambda: torch._foreach_copy_(target, source), lambda: None, 0.3, device)
    return 2 * measure.tensor_bytes(source) / took.first
