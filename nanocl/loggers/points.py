"""From a record to the points of its curves over experiences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from nanocl.records import Cells, RunResult
from nanocl.records.curves import Point
from nanocl.reporting import metrics
from nanocl.reporting.summaries import summarise, task_view


def of(result: RunResult, *, first: int = 0) -> Iterator[Point]:
    """The tests and metrics after each experience from number `first` on; 0: the untrained model.

    A metric after experience i is that of a stream that ends there, under its name in the tables:
    the last point is the number in the table.
    """
    measure = result.measure
    yield from _tests(measure, [result.initial, *result.evaluation], first)
    masked = task_view(result)
    if masked is not None:
        yield from _tests(f"masked_{measure}", [(), *masked], first)
    yield from _tests(f"validation_{measure}", [(), *result.validation], first)
    for count in range(max(1, first), len(result.evaluation) + 1):
        yield from _metrics(_until(result, count), count)


def _tests(name: str, rows: Sequence[Sequence[float | None]], first: int) -> Iterator[Point]:
    """Rows of results, the first of which is that of the untrained model."""
    for trained, row in enumerate(rows):
        for tested, value in enumerate(row, 1):
            if value is not None and trained >= first:
                yield Point(f"{name}/experience_{tested}", trained, value)


def _metrics(result: RunResult, count: int) -> Iterator[Point]:
    costs = {column.name for column in metrics.columns("cost")}  # they differ from call to call
    (summary,) = summarise([result])
    for name, (value,) in summary.columns.items():
        if value is not None and name not in costs:
            yield Point(name, count, value)


def _until(result: RunResult, count: int) -> RunResult:
    """The record of a stream of the first `count` experiences."""
    masked = result.masked and {
        "initial": result.masked["initial"][:count],
        "evaluation": _corner(result.masked["evaluation"], count),
    }
    points = result.tracking.get("points", ())
    tracking = {
        **result.tracking,
        "points": tuple(point for point in points if point["experience"] < count),
    }
    return replace(
        result,
        status="ok",
        initial=result.initial[:count],
        evaluation=_corner(result.evaluation, count),
        masked=masked,
        drift=result.drift[:count],
        experiences=result.experiences[:count],
        tracking=tracking if result.tracking else {},
        mastery=result.mastery[:count],
        function=result.function[:count],
        validation=_corner(result.validation, count),
    )


def _corner(rows: Sequence[Sequence[float | None]], count: int) -> tuple[Cells, ...]:
    return tuple(tuple(row[:count]) for row in rows[:count])
