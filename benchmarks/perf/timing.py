"""Time, state and peak memory of one optimizer, in comparison with another."""

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
    """Measurements of an optimizer on a set of shapes.

    A ratio is the median over rounds of the ratio to fused AdamW in the same round.

    Attributes:
        ms: Median of a step that selects nothing.
        base_ms: Median of a step of fused AdamW in the same rounds.
        ratio: Of steps that alternate with those of fused AdamW (cold cache).
        in_a_row: Of repeated steps (warm cache).
        selection_ms: Extra time of a step that selects; 0 if no step does.
        selection_steps: The same in steps of fused AdamW.
        amortised: `ratio` with one selection in 100 steps.
        state_bytes: Bytes of state per parameter.
        peak_bytes: Peak memory that the optimizer and its first steps add, bytes per parameter.
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
    """Median seconds of two callables, and the median over rounds of second / first."""

    first: float
    second: float
    ratio: float


def seconds(step: Callable[[], None], device: str) -> float:
    """Duration of one call, including the device's work."""
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    step()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def alternating(
    first: Callable[[], None], second: Callable[[], None], budget: float, device: str
) -> Times:
    """Times of both, called alternately for `budget` seconds, at least 7 times each.

    Other load of the machine then affects both, and neither finds its data in the caches, as after
    a backward pass.
    """
    return _rounds(lambda: (seconds(first, device), seconds(second, device)), budget, 7)


def repeated(
    first: Callable[[], None], second: Callable[[], None], budget: float, device: str
) -> Times:
    """As `alternating`, but each 8 times in succession, so that caches keep what fits into them."""

    def several(step: Callable[[], None]) -> float:
        # the first two fill the caches
        return statistics.median([seconds(step, device) for _ in range(8)][2:])

    return _rounds(lambda: (several(first), several(second)), budget, 3)


def _rounds(both: Callable[[], tuple[float, float]], budget: float, least: int) -> Times:
    times: list[tuple[float, float]] = []
    begin = time.perf_counter()
    while len(times) < least or time.perf_counter() - begin < budget:
        times.append(both())
    # the ratio of each round, so that a change of load between rounds cancels
    ratio = statistics.median([second / first for first, second in times])
    first, second = zip(*times, strict=True)
    return Times(statistics.median(first), statistics.median(second), ratio)


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
    turns = alternating(base.step, optimizer.step, budget, device)
    rows = repeated(base.step, optimizer.step, budget, device)
    extra = steps = 0.0
    if selects:
        # now every step selects
        for group in optimizer.param_groups:
            group["mask_interval"] = 1
        selecting = alternating(base.step, optimizer.step, budget, device)
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
    """An optimizer after its first steps, and the peak memory that these added."""
    _release_memory()
    before = _memory("VmRSS", device, start=True)
    optimizer = make()
    for _ in range(3):
        optimizer.step()
    return optimizer, max(0, _memory("VmHWM", device) - before)


def _release_memory() -> None:
    """Return freed memory to the system; otherwise the optimizer would reuse it (glibc only)."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _memory(name: str, device: str, *, start: bool = False) -> int:
    """Bytes of resident memory, or of the GPU's: now (VmRSS), or at most since `start` (VmHWM)."""
    if device == "cuda":
        if start:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        return (
            torch.cuda.memory_allocated() if name == "VmRSS" else torch.cuda.max_memory_allocated()
        )
    if start:
        _RESET.write_text("5")  # Linux: the peak starts again from the current use
    return next(
        int(line.split()[1]) * 1024
        for line in _STATUS.read_text().splitlines()
        if line.startswith(name)
    )


def copy_bandwidth(params: Params, device: str) -> float:
    """Bytes per second of copying the parameters; bytes read and bytes written both count."""
    source = [param.detach() for param in params]
    target = [param.detach().clone() for param in params]
    took = alternating(lambda: torch._foreach_copy_(target, source), lambda: None, 0.3, device)
    return 2 * measure.tensor_bytes(source) / took.first
