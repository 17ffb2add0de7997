"""Seconds of an optimizer step: the committed timings against the claim of the paper."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from nanocl.records import plain
from nanocl.studies.claims import PAPER, Claim, Setting, ratio

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
    """Whether a step of NanoAdam takes less time than a step of AdamW, and of MicroAdam."""
    measured: dict[str, list[Setting]] = {rival: [] for rival in RIVALS}
    machines = []
    for kind in ("cpu", "gpu"):
        timings = read_timings(results_root / "perf" / f"optimizers-{kind}.json")
        if timings.ratios:
            machines.append(f"{timings.processor}, {timings.threads} threads")
        for rival, settings in _settings(timings, kind).items():
            measured[rival] += settings
    ran = (
        "optimizer steps alone, one selection in 100 steps, against torch's fused AdamW in the "
        f"same process: {'; '.join(machines)} (results/perf)"
    )
    return [
        Claim(
            f"a step of NanoAdam takes less time than one of {name}",
            f"{PAPER}, Tables 15/16 (minutes on GLUE, NanoAdam / AdamW / MicroAdam): 33.6 / 14.8 / "
            "37.1 (BERT-base), 58.4 / 27.9 / 64.7 (BERT-large), 69.5 / 50.0 / 90.0 (OPT-1.3B); the "
            "text says `comparable`",
            ran if measured[rival] else "nothing yet",
            ratio(f"seconds per step (medians on one machine), {rival} / nanoadam, where {equal}"),
            measured[rival],
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


def _settings(timings: Timings, kind: str) -> dict[str, list[Setting]]:
    """Rival to the settings in which it was compared, of implementations that are alike."""
    made: dict[str, list[Setting]] = {rival: [] for rival in RIVALS}
    for (shapes, name), nano in timings.ratios.items():
        setting = f"{shapes} parameters, {kind.upper()}, {name}"
        if name in NANO:
            made["adamw"].append(Setting(setting, exact=-math.log(nano)))
        micro = timings.ratios.get((shapes, MICRO))
        alike = [one + PLAIN for one in NANO] if kind == "gpu" else NANO
        if name in alike and micro is not None:
            made["microadam"].append(Setting(setting, exact=math.log(micro / nano)))
    return made


def _is_positive(value: Any) -> bool:
    return value is not None and math.isfinite(value) and value > 0
