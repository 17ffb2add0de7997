"""One contributed run measured again on this machine and compared with its record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from nanocl.protocols.pinning import pin
from nanocl.records import Environment, RunResult, RunSpec, UserError, measuring

TOLERANCE = 0.05  # of an accuracy, or relative of a loss, on another type of CPU or version
# what decides whether numbers repeat bit for bit
FACTS = ("torch", "numpy", "avalanche", "processor", "device", "threads", "libraries")


def cheapest(results: Sequence[RunResult]) -> RunResult:
    """The record whose training was shortest, of those that can be repeated if there are any."""
    return min(
        results, key=lambda run: (_has_plugin(run.spec), run.cost.train_seconds, run.spec.digest)
    )


def rerun(result: RunResult) -> tuple[list[str], str]:
    """Measure a run again.

    Returns:
        A line for each difference, and how the numbers were compared.

    Raises:
        UserError: It cannot be run here: other data, or a user's plugin.
    """
    spec = result.spec
    if _has_plugin(spec):
        raise UserError("a run with a user's plugin cannot be repeated without its file")
    pinned = pin([spec], None)[0]
    if pinned.digest != spec.digest:
        raise UserError(f"the data here has fingerprint {pinned.data}, the record {spec.data}")
    from nanocl.training.context import Context  # here, because it loads torch
    from nanocl.training.experiment import run_one

    again = run_one(spec, Context(measuring=measuring.of(result)))
    reasons = _changed(result.environment, again.environment)
    if result.cost.together:
        reasons.append(f"{result.cost.together} seeds were trained as one model")
    if not reasons:
        return [*_different(_numbers(result), _numbers(again), 0.0)], "bit for bit"
    how = f"within {TOLERANCE:g}, because {', '.join(reasons)}"
    return [*_different(_numbers(result), _numbers(again), TOLERANCE)], how


def _has_plugin(spec: RunSpec) -> bool:
    return any(part.plugin for part in (*spec.strategy, spec.stream, spec.model))


def _changed(theirs: Environment, ours: Environment) -> list[str]:
    """Facts in which two environments differ: numbers repeat bit for bit only where none does."""
    before, after = asdict(theirs), asdict(ours)
    return [
        f"{name} is {after[name] or 'none'} here and {before[name] or 'none'} there"
        for name in FACTS
        if before[name] != after[name]
    ]


def _numbers(result: RunResult) -> dict[str, Any]:
    return {
        "status": result.status,
        "initial": result.initial,
        "evaluation": result.evaluation,
        "masked": result.masked,
        "drift": [entry.start for entry in result.drift],
    }


def _different(
    theirs: Mapping[str, Any], ours: Mapping[str, Any], tolerance: float
) -> Iterator[str]:
    """A line for each group of numbers that differs by more than the tolerance."""
    for name in theirs:
        if tolerance and name == "drift":
            continue  # a norm has no range to which a tolerance would relate
        before, after = [*_leaves(theirs[name])], [*_leaves(ours[name])]
        if len(before) != len(after):
            yield f"rerun: {name} has {len(after)} numbers, the record {len(before)}"
            continue
        wrong = [
            (one, other)
            for one, other in zip(before, after, strict=True)
            if not _is_close(one, other, tolerance)
        ]
        if wrong:
            one, other = wrong[0]
            yield (
                f"rerun: {len(wrong)} of {len(before)} numbers of {name} differ, such as {one!r} "
                f"in the record and {other!r} here"
            )


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for name in sorted(value):
            yield from _leaves(value[name])
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def _is_close(one: Any, other: Any, tolerance: float) -> bool:
    if tolerance and isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= tolerance * max(1.0, abs(one))
    return bool(one == other)
