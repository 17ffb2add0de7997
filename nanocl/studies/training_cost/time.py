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
PLAIN = ", plain PyTorch"  # an implementation without a kernel
RIVALS = {
    "adamw": ("AdamW", "both have a kernel"),
    "microadam": (
        "MicroAdam",
        "both have a kernel or neither has (our MicroAdam has none for a GPU)",
    ),
}


class Timings(NamedTuple):
    """The timings of one machine.

    Attributes:
        ratios: (Shapes, optimizer) to the seconds of its step over those of fused AdamW.
        processor, threads: The machine.
    """

    ratios: Mapping[tuple[str, str], float]
    processor: str = ""
    threads: int = 0


def time_claims(results_root: Path) -> list[Claim]:
    """Whether a step of NanoAdam takes no longer than a step of AdamW, and of MicroAdam."""
    found: dict[str, dict[str, tuple[Finding, ...]]] = {"adamw": {}, "microadam": {}}
    machines = []
    for kind in ("cpu", "gpu"):
        timings = read_timings(results_root / "perf" / f"optimizers-{kind}.json")
        if timings.ratios:
            machines.append(f"{timings.processor}, {timings.threads} threads")
        for rival, findings in _findings(timings, kind).items():
            found[rival] |= findings
    ran = (
        "optimizer steps alone, one selection in 100 steps, against torch's fused AdamW in the "
        f"same process: {'; '.join(machines)} (results/perf)"
    )
    return [
        Claim(
            f"NanoAdam takes no longer than {name}",
            f"{PAPER}, Tables 15/16 (minutes on GLUE, NanoAdam / AdamW / MicroAdam): 33.6 / 14.8 / "
            "37.1 (BERT-base), 58.4 / 27.9 / 64.7 (BERT-large), 69.5 / 50.0 / 90.0 (OPT-1.3B); the "
            "text says `comparable`",
            ran if found[rival] else "nothing yet",
            f"seconds per step, nanoadam / {rival} at most 1, where {equal}; medians on one "
            "machine, so no test",
            found[rival],
        )
        for rival, (name, equal) in RIVALS.items()
    ]


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


def _findings(timings: Timings, kind: str) -> dict[str, dict[str, tuple[Finding, ...]]]:
    """Rival to setting to what was found, of implementations that are alike."""
    found: dict[str, dict[str, tuple[Finding, ...]]] = {"adamw": {}, "microadam": {}}
    for (shapes, name), nano in timings.ratios.items():
        setting = f"{shapes} parameters, {kind.upper()}, {name}"
        if name in NANO:
            found["adamw"][setting] = (_faster("adamw", nano),)
        micro = timings.ratios.get((shapes, MICRO))
        alike = [one + PLAIN for one in NANO] if kind == "gpu" else NANO
        if name in alike and micro is not None:
            found["microadam"][setting] = (_faster("microadam", nano / micro),)
    return found


def _faster(rival: str, ratio: float) -> Finding:
    state = FOR if ratio <= 1 else AGAINST
    return Finding(f"step, nanoadam / {rival}", ratio, None, None, 0, state)


def _is_positive(value: Any) -> bool:
    return value is not None and math.isfinite(value) and value > 0
