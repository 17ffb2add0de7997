"""A board in formats of others: tidy CSV and Parquet, PEFT's results, Every Eval Ever 0.2.1.

Forgetting of accuracy is named so. PEFT's `forgetting` is a rise of cross-entropy on other texts,
and no key of this name is written.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nanocl import __version__
from nanocl.boards import contents, names
from nanocl.records import RunResult, RunSpec, Summary, hash_of
from nanocl.records.consistency import LARGEST
from nanocl.reporting import metrics, statistics
from nanocl.reporting.columns import Column
from nanocl.reporting.ranking import score_of
from nanocl.reporting.summaries import measure_of

EEE_VERSION = "0.2.1"
TIDY = (
    "board",
    "protocol_hash",
    "learner",
    "options_from",
    "seed",
    "status",
    "digest",
    "metric",
    "value",
)


def tidy(rows: Sequence[Summary]) -> str:
    """CSV with a line for each run and metric; a diverged run has lines without a value."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(TIDY)
    for row in rows:
        runs = {run.spec.seed: run for run in row.results}
        for column in metrics.columns("accuracy"):
            values = dict(zip(row.seeds, row.columns[column.name], strict=True))
            for seed, run in sorted(runs.items()):
                value = values.get(seed)
                if value is not None or run.status != "ok":
                    writer.writerow((*_names(row, run), column.name, _cell(value)))
    return out.getvalue()


def peft(rows: Sequence[Summary]) -> dict[str, str]:
    """File name to the JSON of PEFT's method comparison, one file for each run."""
    files = {}
    for row in rows:
        for run in row.results:
            name = f"{_safe(contents.label(row))}--seed{run.spec.seed}.json"
            files[name] = _json(_peft_run(row, run))
    return files


def eee(rows: Sequence[Summary]) -> dict[str, str]:
    """File name to the JSON of Every Eval Ever, one file for each learner."""
    return {f"{_safe(contents.label(row))}.json": _json(_eee_row(row)) for row in rows}


def _names(row: Summary, run: RunResult) -> tuple[Any, ...]:
    spec = run.spec
    return (
        names.name_of(spec),
        spec.protocol_hash,
        contents.label(row),
        spec.options_from,
        spec.seed,
        run.status,
        spec.digest,
    )


def _cell(value: float | None) -> str:
    return "" if value is None else repr(float(value))


def _peft_run(row: Summary, run: RunResult) -> dict[str, Any]:
    cost, spec = run.cost, run.spec
    status = "success" if run.status == "ok" else "failed"
    return {
        "run_info": {
            "created_at": "",
            "total_time": cost.train_seconds,
            "experiment_name": f"{names.name_of(spec)}/{contents.label(row)}",
            "peft_branch": "",
            "train_config": _train_config(spec),
            "peft_config": None,
            "error_msg": "" if run.status == "ok" else run.status,
        },
        "train_info": {
            "accelerator_memory_reserved_avg": cost.device_memory_bytes,
            "accelerator_memory_max": cost.device_memory_bytes,
            "accelerator_memory_reserved_99th": cost.device_memory_bytes,
            "train_time": cost.train_seconds,
            "file_size": 0,
            "num_trainable_params": cost.parameters,
            "num_total_params": cost.parameters,
            "status": status,
            "metrics": [{"step": cost.steps, **_run_metrics(row, run)}],
        },
        "meta_info": _meta_info(run),
    }


def _train_config(spec: RunSpec) -> dict[str, Any]:
    """The spec in the words of PEFT, the rest of it under `nanocl`."""
    optimizer = spec.strategy[-1]
    return {
        "model_id": spec.model.name,
        "batch_size": spec.training.batch_size,
        "batch_size_eval": spec.training.evaluation_batch_size,
        "max_steps": spec.training.iterations,
        "seed": spec.seed,
        "optimizer_type": optimizer.name,
        "optimizer_kwargs": dict(optimizer.options),
        "nanocl": {"digest": spec.digest, **spec.shared_identity()},
    }


def _run_metrics(row: Summary, run: RunResult) -> dict[str, float]:
    if run.spec.seed not in row.seeds:
        return {}
    place = row.seeds.index(run.spec.seed)
    shown: dict[str, float] = {}
    accuracy = row.columns[metrics.average_accuracy.name][place]
    if accuracy is not None and measure_of(row) == "accuracy":
        shown["test accuracy"] = accuracy  # over all experiences at the end, under PEFT's name
    for column in _exported(row):
        value = row.columns[column.name][place]
        if value is not None:
            shown[_metric_name(column, measure_of(row))] = value
    return shown


def _meta_info(run: RunResult) -> dict[str, Any]:
    environment = run.environment
    return {
        "model_info": {"sha": run.weights or None, "created_at": ""},
        "dataset_info": {str(d["name"]): {"sha": d.get("fingerprint")} for d in run.data},
        "package_info": {
            "nanocl-version": environment.nanocl,
            "torch-version": environment.torch,
            "avalanche-version": environment.avalanche,
            "numpy-version": environment.numpy,
        },
        "system_info": {
            "system": environment.platform,
            "processor": environment.processor,
            "accelerator": environment.device,
        },
        "pytorch_info": "",
    }


def _eee_row(row: Summary) -> dict[str, Any]:
    spec, learner = row.results[0].spec, contents.label(row)
    board = names.name_of(spec)
    digests = sorted(run.spec.digest for run in row.results)
    return {
        "schema_version": EEE_VERSION,
        "evaluation_id": f"{board}/nanocl/{_safe(learner)}/{hash_of(digests)}",
        "retrieved_timestamp": str(int(time.time())),  # of the export: a record has no time
        "source_metadata": {
            "source_name": f"nanocl board {board}",
            "source_type": "evaluation_run",
            "source_organization_name": "nanocl",
            "evaluator_relationship": "first_party",
        },
        "eval_library": {"name": "nanocl", "version": __version__},
        "model_info": {
            "name": learner,
            "id": f"nanocl/{_safe(learner)}",
            "additional_details": {"backbone": spec.model.name, "options_from": row.options_from},
        },
        "evaluation_results": [*_eee_results(row, board)],
    }


def _eee_results(row: Summary, board: str) -> Iterator[dict[str, Any]]:
    measure = measure_of(row)
    for column in _exported(row):
        values = [value for value in row.columns[column.name] if value is not None]
        if not values:
            continue
        yield {
            "evaluation_name": f"{board}: {column.title}",
            "source_data": {
                "dataset_name": "+".join(str(data["name"]) for data in row.results[0].data)
                or row.results[0].spec.stream.name,
                "source_type": "other",
                "additional_details": {"protocol_hash": row.protocol_hash},
            },
            "metric_config": _metric_config(column, measure),
            "score_details": {
                "score": statistics.mean(values),
                "uncertainty": _uncertainty(values, column.bounds(measure)),
            },
        }


def _metric_config(column: Column, measure: str) -> dict[str, Any]:
    low, high = column.bounds(measure)
    return {
        "evaluation_description": f"{_metric_name(column, measure)}: {column.definition}",
        "lower_is_better": _is_lower_better(column, measure),
        "score_type": "continuous",
        # the format wants two numbers: those that a record may have, where there is no bound
        "min_score": max(low, -LARGEST),
        "max_score": min(high, LARGEST),
    }


def _uncertainty(values: Sequence[float], bounds: tuple[float, float]) -> dict[str, Any]:
    uncertainty: dict[str, Any] = {"num_samples": len(values)}
    deviation, ends = statistics.deviation(values), statistics.interval(values, bounds)
    if deviation is None or ends is None:
        return uncertainty
    error = deviation / math.sqrt(len(values))
    interval = {"lower": ends[0], "upper": ends[1], "confidence_level": statistics.CONFIDENCE}
    return uncertainty | {
        "standard_error": {"value": error, "method": "analytic"},
        "standard_deviation": deviation,
        "confidence_interval": {**interval, "method": "Student's t over seeds"},
    }


def _exported(row: Summary) -> list[Column]:
    """The score of the board, then the metrics that others have, too."""
    score = score_of(row.results[0].spec)
    usual = (
        metrics.average_accuracy,
        metrics.learning_accuracy,
        metrics.forgetting,
        metrics.backward_transfer,
    )
    return [score, *(column for column in usual if column != score)]


def _metric_name(column: Column, measure: str) -> str:
    """A name that says whether it is of accuracy or of a loss."""
    if measure == "loss" and column is metrics.average_accuracy:
        return "average loss"
    name = column.name.replace("_", " ")
    return name if measure in name else f"{measure} {name}"


def _is_lower_better(column: Column, measure: str) -> bool:
    if column is metrics.forgetting:
        return True
    return measure == "loss" and not column.signed


def _safe(text: str) -> str:
    return re.sub(r"[^\w.+=-]", "_", text)


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, allow_nan=False) + "\n"
