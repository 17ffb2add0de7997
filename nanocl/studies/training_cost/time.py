"""Seconds of an optimizer step: the committed timings against the claim of the paper."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from nanocl.records import plain
from nanocl.studies.claims import AGAINST, FOR, PAPER, Claim, Finding

# names in results/perf
NANO = ("NanoAdam 10 %", "NanoAdam 1 %")
MICRO = "MicroAdam 1 %"


class Timings(NamedTuple):
    """The timings of one machine.

    Attributes:
        ratios: (Shapes, optimizer) to the seconds of its step over those of fused AdamW.
        processor, threads: The machine.
    """

    ratios: Mapping[tuple[str, str], float]
    processor: str = ""
    threads: int = 0


def time_claim(results_root: Path) -> Claim:
    """Whether a step of NanoAdam takes no longer than a step of its rivals."""
    findings: dict[str, tuple[Finding, ...]] = {}
    machines = []
    for kind in ("cpu", "gpu"):
        timings = read_timings(results_root / "perf" / f"optimizers-{kind}.json")
        if timings.ratios:
            machines.append(f"{timings.processor}, {timings.threads} threads")
        findings |= _findings(timings, kind)
    ran = (
        "optimizer steps alone, one selection in 100 steps, against torch's fused AdamW in the "
        f"same process: {'; '.join(machines)} (results/perf)"
    )
    return Claim(
        "NanoAdam takes no longer than AdamW and MicroAdam",
        f"{PAPER}, Tables 15/16 (minutes on GLUE, NanoAdam / AdamW / MicroAdam): 33.6 / 14.8 / "
        "37.1 (BERT-base), 58.4 / 27.9 / 64.7 (BERT-large), 69.5 / 50.0 / 90.0 (OPT-1.3B); the "
        "text says `comparable`",
        ran if findings else "nothing yet",
        "seconds per step, nanoadam / adamw and nanoadam / microadam at most 1; medians on one "
        "machine, so no test",
        findings,
    )


def read_timings(path: Path) -> Timings:
    """The timings that `benchmarks/perf/optimizers.py` wrote; empty without a readable file."""
    try:
        record = plain.read(path)
        machine = record["machine"]
        ratios = {
            (row["shapes"], row["optimizer"]): float(row["amortised"])
            for row in record["rows"]
            if _is_positive(row["amortised"])
        }
        return Timings(ratios, machine["processor"], machine["threads"])
    except (OSError, ValueError, KeyError, TypeError):
        return Timings({})


def _findings(timings: Timings, kind: str) -> dict[str, tuple[Finding, ...]]:
    findings: dict[str, tuple[Finding, ...]] = {}
    names = (*NANO, *(f"{name}, plain PyTorch" for name in NANO))
    for shapes in dict.fromkeys(shapes for shapes, _ in timings.ratios):
        micro = timings.ratios.get((shapes, MICRO))
        for name in names:
            nano = timings.ratios.get((shapes, name))
            if nano is not None and micro is not None:
                setting = f"{shapes} parameters, {kind.upper()}, {name}"
                findings[setting] = (_faster("adamw", nano), _faster("microadam", nano / micro))
    return findings


def _faster(rival: str, ratio: float) -> Finding:
    state = FOR if ratio <= 1 else AGAINST
    return Finding(f"step, nanoadam / {rival}", ratio, None, None, 0, state)


def _is_positive(value: Any) -> bool:
    return value is not None and math.isfinite(value) and value > 0
