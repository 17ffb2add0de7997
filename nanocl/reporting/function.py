"""The columns of the function's drift: features of earlier experiences, outputs on new ones."""

from __future__ import annotations

from nanocl.reporting.columns import Evaluation, Undefined, metric


@metric(
    "1 - CKA",
    "mean_{j<T-1} (1 - CKA(features of j after experience j, features of j at the end))",
    "kornblith2019",
    unit="number",
    optional=True,
)
def representation_drift(run: Evaluation) -> float:
    """How far the penultimate features of earlier test samples moved; CKA ignores rotations."""
    return _defined(_entries(run)[-1]["representation"])


@metric(
    "KL",
    "mean_{i>=1} KL(outputs before experience i || outputs after) in nats, on test samples of i",
    "shenfeld2025",
    unit="number",
    optional=True,
)
def new_task_divergence(run: Evaluation) -> float:
    """How far training on an experience moved what the model says of its samples otherwise."""
    values = [entry["kl"] for entry in _entries(run) if entry["kl"] is not None]
    return _defined(sum(values) / len(values) if values else None)


def _entries(run: Evaluation) -> list[dict[str, float | None]]:
    if not run.function:
        raise Undefined("the record was made before the drift of the function was measured")
    return [*map(dict, run.function)]


def _defined(value: float | None) -> float:
    if value is None:
        raise Undefined(
            "it needs a second experience, a test after each one, and for KL outputs of classes"
        )
    return value
