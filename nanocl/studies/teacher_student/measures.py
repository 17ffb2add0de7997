"""Effects of finetuning on a network: learning, forgetting, drift and geometry of its neurons."""

from __future__ import annotations

from typing import Any

import numpy as np

from nanocl.data.teachers import Tasks, answers

KEPT = 0.95
PICTURES = ("neurons", "teacher")
UNCHANGED = 1e-6
MEASURES = {
    "loss_b": "test error on B",
    "steps": "updates until the training error on B is 1 % of the new neurons' mean square",
    "keep_a": "test error on A of the neurons that made up 95 % of the pretrained network",
    "oldhead_a": "test error on A with the pretrained output weights restored",
    "drift": "mean squared change of a parameter",
    "drift_kept": "mean squared change of a parameter of the kept neurons",
    "preserved": "largest k for which the k largest neurons are unchanged to 1e-6",
    "unchanged": "share of the kept neurons unchanged to 1e-6",
    "cosine": "mean cosine of a kept neuron |a| w before and after",
    "cosine_least": "least cosine of a kept neuron before and after",
    "match": "mean over new teacher neurons of the best cosine with a student neuron of its sign",
    "flips": "output weights that changed sign",
}


def measure(
    before: Any,
    after: Any,
    tasks: Tasks,
    *,
    own: bool,
    reached: int | None,
    finite: bool,
) -> dict[str, Any]:
    """Every measure of one run; all None where it diverged.

    Args:
        before, after: (weights, head) pretrained and finetuned.
        tasks: Data of teacher A and teacher B.
        own: Whether `after.head` is a new head for B, so that A is answered by the old one.
        reached: Updates until B was learned.
        finite: Whether training stayed finite.

    Returns:
        The measures named in `MEASURES`, and `neurons`: rows (|a| w, sign of a).
    """
    w0, a0 = (np.asarray(part, np.float64) for part in before)
    w1, a1 = (np.asarray(part, np.float64) for part in after)
    if not (finite and np.isfinite(w1).all() and np.isfinite(a1).all()):
        return dict.fromkeys((*MEASURES, "neurons"))
    size = np.abs(a0) * np.linalg.norm(w0, axis=1)
    kept = largest(size, KEPT)
    old, new = (answers(tasks.test, *teacher) for teacher in tasks.teachers)
    answering = a0 if own else a1  # the head that answers A
    # a row for each neuron: the change of its input weights and of its output weight
    moved = np.concatenate([w1 - w0, (answering - a0)[:, None]], axis=1)
    drifting = moved[:, :-1] if own else moved  # a new head has no drift
    products_before = np.abs(a0)[:, None] * w0
    products_after = np.abs(answering)[:, None] * w1
    cosines = _cosines(products_before, products_after)[kept]
    largest_moves = np.abs(moved).max(axis=1)
    return {
        "loss_b": error(w1, a1, tasks.test, new),
        "steps": reached,
        "keep_a": error(w1[kept], answering[kept], tasks.test, old),
        "oldhead_a": error(w1, a0, tasks.test, old),
        "drift": float(np.mean(drifting**2)),
        "drift_kept": float(np.mean(drifting[kept] ** 2)),
        "preserved": preserved(size, largest_moves),
        "unchanged": float(np.mean(largest_moves[kept] <= UNCHANGED)),
        "cosine": float(cosines.mean()),
        "cosine_least": float(cosines.min()),
        "match": _match(w1, a1, tasks),
        "flips": int(np.sum(np.sign(answering) != np.sign(a0))),
        "neurons": _neurons(w1, a1),
    }


def facts(before: Any, tasks: Tasks) -> dict[str, Any]:
    """The measures of a pretrained network before it is finetuned."""
    weights, head = (np.asarray(part, np.float64) for part in before)
    size = np.abs(head) * np.linalg.norm(weights, axis=1)
    kept = largest(size, KEPT)
    old, new = (answers(tasks.test, *teacher) for teacher in tasks.teachers)
    # gradient flow conserves a^2 - |w|^2, which a balanced start sets to zero
    imbalance = head**2 - (weights**2).sum(axis=1)
    return {
        "loss_a": error(weights, head, tasks.test, old),
        "loss_b": error(weights, head, tasks.test, new),
        "keep_a": error(weights[kept], head[kept], tasks.test, old),
        "kept": len(kept),
        "extra": float(np.mean((new - old) ** 2)),
        "imbalance": float(np.abs(imbalance).max()),
        "teacher": _neurons(tasks.directions, tasks.signs),
        "neurons": _neurons(weights, head),
    }


def largest(size: np.ndarray, share: float) -> np.ndarray:
    """The fewest neurons, largest first, whose sizes add up to at least `share` of the total."""
    order = np.argsort(-size, kind="stable")
    # the last term absorbs rounding in the sum
    needed = share * size.sum() * (1 - 1e-12)
    reached = np.cumsum(size[order]) >= needed
    count = int(np.argmax(reached)) + 1
    return order[:count]


def preserved(size: np.ndarray, change: np.ndarray) -> int:
    """Largest k for which no parameter of the k largest neurons changed by more than `UNCHANGED`.

    Definition 2.1 of the paper.
    """
    order = np.argsort(-size, kind="stable")
    still = change[order] <= UNCHANGED
    if still.all():
        return len(still)
    return int(np.argmin(still))  # the first neuron that changed


def error(
    weights: np.ndarray,
    head: np.ndarray,
    inputs: np.ndarray,
    targets: np.ndarray,
) -> float:
    """Mean squared error of a network, for inputs (N, d) and targets (N,)."""
    hidden = np.maximum(inputs @ weights.T, 0)
    residuals = hidden @ head - targets
    return float(np.mean(residuals**2))


def _cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    tiny = np.finfo(np.float64).tiny  # a neuron of length zero has cosine 0
    products = (first * second).sum(axis=1)
    return products / np.maximum(lengths, tiny)


def _match(weights: np.ndarray, head: np.ndarray, tasks: Tasks) -> float | None:
    """Mean over the new teacher neurons of the best cosine with a student neuron of its sign.

    None without a new neuron; a new neuron whose sign no student neuron has counts as -1.
    """
    best = []
    signs = tasks.signs[tasks.neurons :]
    directions = tasks.directions[tasks.neurons :]
    for sign, direction in zip(signs, directions, strict=True):
        fitting = weights[np.sign(head) == sign]
        targets = np.broadcast_to(direction, fitting.shape)
        cosines = _cosines(fitting, targets)
        best.append(float(cosines.max()) if len(fitting) else -1.0)
    if best:
        return float(np.mean(best))
    return None


def _neurons(weights: np.ndarray, head: np.ndarray) -> list[list[float]]:
    """For each neuron the entries of |a| w and the sign of a, in 4 digits."""
    rows = []
    products = np.abs(head)[:, None] * weights
    for vector, a in zip(products, head, strict=True):
        entries = [float(f"{x:.4g}") for x in vector]
        rows.append([*entries, float(np.sign(a))])
    return rows
