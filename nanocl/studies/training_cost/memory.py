"""Bytes of optimizer state: the paper's accounting, and the bytes that our records measured."""

from __future__ import annotations

import math
from collections.abc import Iterable

from nanocl.records import RunResult
from nanocl.reporting import statistics
from nanocl.studies.claims import PAPER, Claim, Setting, ratio

RIVALS = {"adamw": "AdamW", "microadam": "MicroAdam"}
# of MicroAdam, in the paper's accounting
WINDOW = 10
WINDOW_DENSITY = 0.01
BYTES = {"int16": 2, "int64": 8}
Columns = dict[str, list[float]]


def memory_claims(results: Iterable[RunResult]) -> list[Claim]:
    """Whether NanoAdam needs fewer bytes of state than each of its rivals."""
    models = _state_bytes(results)
    return [
        Claim(
            f"NanoAdam needs less optimizer state than {name}",
            f"{PAPER}, section on memory: 0.38 GB against 25.1 (AdamW), 12.55 (AdamW-8bit) and "
            "5.65 (MicroAdam) for Llama-2-7B, at density 1 % with 16-bit indices and no dense "
            "layer. Its runs on GLUE, commonsense and GSM8K have density 10 %",
            "the paper's formulas, and the exact bytes of state after the last step, once for each "
            "model and size of input (moments in float32, head and norms dense)",
            ratio(f"bytes of optimizer state per parameter, {rival} / nanoadam"),
            [*_accounted_settings(rival), *_measured_settings(models, rival)],
        )
        for rival, name in RIVALS.items()
    ]


def accounted(optimizer: str, density: float = 0.01, index: str = "int16") -> float:
    """Bytes of state per parameter as the paper counts them: all layers sparse, 2-byte moments."""
    if optimizer == "adamw":
        return 4.0  # two moments
    if optimizer == "microadam":
        # 4-bit error feedback, and a window of 16-bit indices with 16-bit values
        return 0.5 + 4 * WINDOW * WINDOW_DENSITY
    return (4 + BYTES[index]) * density  # two moments and an index of each selected weight


def _accounted_settings(rival: str) -> list[Setting]:
    settings = []
    for density in (0.01, 0.1):
        for index in BYTES:
            name = f"the paper's accounting at density {100 * density:g} %, {index} indices"
            value = accounted(rival) / accounted("nanoadam", density, index)
            settings.append(Setting(name, exact=math.log(value)))
    return settings


def _measured_settings(models: dict[str, Columns], rival: str) -> list[Setting]:
    """The ratio of state bytes per parameter, for each model that ran every rival."""
    settings = []
    for model, columns in sorted(models.items()):
        if not all(name in columns for name in RIVALS):
            continue
        for name in sorted(column for column in columns if column.startswith("nanoadam ")):
            value = statistics.mean(columns[rival]) / statistics.mean(columns[name])
            title = f"measured: {model}, density {100 * float(name.split()[1]):g} %"
            settings.append(Setting(title, exact=math.log(value)))
    return settings


def _state_bytes(results: Iterable[RunResult]) -> dict[str, Columns]:
    """Model to optimizer (with NanoAdam's density) to the state bytes per parameter of its runs.

    One network on several data sets of one shape is one model: its bytes are no evidence twice.
    """
    models: dict[str, Columns] = {}
    for result in results:
        if not _is_compared(result):
            continue
        (part,) = result.spec.strategy
        name = f"nanoadam {part.options.get('density')}" if part.name == "nanoadam" else part.name
        columns = models.setdefault(_model(result), {})
        columns.setdefault(name, []).append(result.cost.state_bytes_per_parameter)
    return models


def _model(result: RunResult) -> str:
    """The model and the shape of its inputs, e.g. `mlp on 1x28x28`."""
    shapes = ("x".join(map(str, facts.get("shape", ()))) for facts in result.data)
    shape = next(shapes, "")
    return f"{result.spec.model.name} on {shape}" if shape else result.spec.model.name


def _is_compared(result: RunResult) -> bool:
    """Whether it is a finished run of one optimizer alone, as the paper has it.

    NanoAdam trains the smallest weights, MicroAdam no layer densely.
    """
    parts = result.spec.strategy
    if result.status != "ok" or len(parts) != 1 or parts[0].name not in ("nanoadam", *RIVALS):
        return False
    options = parts[0].options
    if parts[0].name == "microadam" and options.get("dense", "none") != "none":
        return False
    return options.get("select", "small") == "small" and options.get("density", 1) != 0
