"""Claims on memory and time: the paper's accounting, and what records and timings say."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from nanocl.records import RunResult
from nanocl.reporting import statistics
from nanocl.studies.claims import AGAINST, FOR, Claim, Finding

PAPER = "Zhou et al., 2025, arXiv:2506.21374"
NANO, MICRO = ("NanoAdam 10 %", "NanoAdam 1 %"), "MicroAdam 1 %"  # names in results/perf
RIVALS = ("adamw", "microadam")
WINDOW, WINDOW_DENSITY = 10, 0.01  # of MicroAdam, in the paper's accounting
BYTES = {"int16": 2, "int64": 8}


def claims(results: Iterable[RunResult], root: Path) -> list[Claim]:
    """The rows on memory and time."""
    return [_memory(results), _time(root)]


def accounted(optimizer: str, density: float = 0.01, index: str = "int16") -> float:
    """Bytes of state for each parameter as the paper counts them, moments of 2 bytes, all layers sparse."""
    if optimizer == "adamw":
        return 4.0
    if optimizer == "microadam":
        return 0.5 + 4 * WINDOW * WINDOW_DENSITY
    return (4 + BYTES[index]) * density


def _memory(results: Iterable[RunResult]) -> Claim:
    findings = {}
    for density in (0.01, 0.1):
        for index in BYTES:
            findings[f"the paper's accounting at density {100 * density:g} %, {index} indices"] = (
                tuple(
                    _exact(rival, accounted("nanoadam", density, index) / accounted(rival))
                    for rival in RIVALS
                )
            )
    findings |= _measured(results)
    return Claim(
        "NanoAdam needs less optimizer state than AdamW and MicroAdam",
        f"{PAPER}, section on memory: 0.38 GB against 25.1 (AdamW), 12.55 (AdamW-8bit) and 5.65 (MicroAdam) for "
        "Llama-2-7B, at density 1 % with 16-bit indices and no dense layer. Its runs on GLUE, commonsense and GSM8K "
        "have density 10 %",
        "the paper's formulas, and the exact bytes of state after the last step of every protocol with all three "
        "(moments in float32, head and norms dense)",
        "bytes of optimizer state a parameter, nanoadam / adamw and nanoadam / microadam below 1; exact, so no test",
        findings,
    )


def _measured(results: Iterable[RunResult]) -> dict[str, tuple[Finding, ...]]:
    """For each protocol with every rival: the ratio of state bytes a parameter, the runs of one arm alike."""
    found: dict[str, dict[str, list[float]]] = {}
    for result in results:
        names = [part.name for part in result.spec.strategy]
        if (
            len(names) == 1
            and names[0] in ("nanoadam", *RIVALS)
            and result.status == "ok"
            and _usual(result)
        ):
            spec = result.spec
            density = spec.strategy[0].options.get("density")
            place = found.setdefault(f"{spec.protocol}, {spec.scenario}, {spec.model.name}", {})
            name = f"nanoadam {density}" if names[0] == "nanoadam" else names[0]
            place.setdefault(name, []).append(result.cost.state_bytes_per_parameter)
    rows = {}
    for place, columns in sorted(found.items()):
        for name in sorted(column for column in columns if column.startswith("nanoadam ")):
            if all(rival in columns for rival in RIVALS):
                rows[f"measured: {place}, density {100 * float(name.split()[1]):g} %"] = tuple(
                    _exact(rival, statistics.mean(columns[name]) / statistics.mean(columns[rival]))
                    for rival in RIVALS
                )
    return rows


def _usual(result: RunResult) -> bool:
    options = result.spec.strategy[0].options
    return options.get("select", "small") == "small" and options.get("density", 1) != 0


def _exact(rival: str, ratio: float) -> Finding:
    return Finding(
        f"state, nanoadam / {rival}", ratio, None, None, 0, FOR if ratio < 1 else AGAINST
    )


def _time(root: Path) -> Claim:
    findings, machines = {}, []
    for kind in ("cpu", "gpu"):
        timings = _timings(root / "perf" / f"optimizers-{kind}.json")
        machines += [f"{timings.processor}, {timings.threads} threads"] if timings.rows else []
        for shapes in dict.fromkeys(shapes for shapes, _ in timings.rows):
            for name in (*NANO, *(f"{name}, plain PyTorch" for name in NANO)):
                sides = [timings.rows.get((shapes, other)) for other in (name, MICRO)]
                if None not in sides:
                    findings[f"{shapes} parameters, {kind.upper()}, {name}"] = (
                        _faster("adamw", sides[0]),
                        _faster("microadam", sides[0] / sides[1]),
                    )
    return Claim(
        "NanoAdam takes no longer than AdamW and MicroAdam",
        f"{PAPER}, Tables 15/16 (minutes on GLUE, NanoAdam / AdamW / MicroAdam): 33.6 / 14.8 / 37.1 (BERT-base), 58.4 "
        "/ 27.9 / 64.7 (BERT-large), 69.5 / 50.0 / 90.0 (OPT-1.3B); the text says `comparable`",
        f"optimizer steps alone, one selection in 100 steps, against torch's fused AdamW in the same process: "
        f"{'; '.join(machines)} (results/perf)"
        if findings
        else "nothing yet",
        "seconds a step, nanoadam / adamw and nanoadam / microadam at most 1; medians on one machine, so no test",
        findings,
    )


def _faster(rival: str, ratio: float) -> Finding:
    return Finding(
        f"step, nanoadam / {rival}", ratio, None, None, 0, FOR if ratio <= 1 else AGAINST
    )


class _Timings(NamedTuple):
    """(Shapes, optimizer) to the ratio of its step to fused AdamW's, and the machine."""

    rows: Mapping[tuple[str, str], float]
    processor: str = ""
    threads: int = 0


def _timings(path: Path) -> _Timings:
    """What `benchmarks/perf/optimizers.py` wrote; nothing where there is no file, or none that can be read."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        rows = {
            (row["shapes"], row["optimizer"]): float(row["amortised"])
            for row in record["rows"]
            if row["amortised"] is not None
            and math.isfinite(row["amortised"])
            and row["amortised"] > 0
        }
        return _Timings(rows, record["machine"]["processor"], record["machine"]["threads"])
    except (OSError, ValueError, KeyError, TypeError):
        return _Timings({})
