"""Records as rows of tidy frames: one plain dictionary a row, for pandas and for filters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from nanocl.records import Drift, RunResult, Summary
from nanocl.reporting.summaries import task_view

Row = dict[str, Any]


def identity(row: Summary, run: RunResult) -> Row:
    """What names a run."""
    spec = run.spec
    return {
        "protocol": spec.protocol,
        "tier": spec.tier,
        "scenario": spec.scenario,
        "stream": spec.stream.name,
        "model": spec.model.name,
        "strategy": row.strategy,
        "options": row.options,
        "options_from": spec.options_from,
        "seed": spec.seed,
        "status": run.status,
        "protocol_hash": row.protocol_hash,
        "digest": spec.digest,
    }


def runs(summaries: Sequence[Summary]) -> Iterator[Row]:
    """A row for each run: what names it, and every metric; None where one is undefined."""
    for row in summaries:
        places = {run.spec.digest: place for place, run in enumerate(_measured(row))}
        for run in row.results:
            place = places.get(run.spec.digest)  # a run that diverged has no metrics
            numbers = {
                name: None if place is None else values[place]
                for name, values in row.columns.items()
            }
            yield {**identity(row, run), **numbers}


def _measured(row: Summary) -> list[RunResult]:
    """The runs behind the values of a row's columns, in their order."""
    return [run for run in row.results if run.status == "ok"]


def matrices(summaries: Sequence[Summary]) -> Iterator[Row]:
    """A row for each test: the result on experience `tested` after training on `trained`."""
    for row in summaries:
        for run in row.results:
            names = _short(row, run)
            for view, first, rows in _views(run):
                yield from _tests(names, view, first, rows)


def _views(run: RunResult) -> Iterator[tuple[str, int, Sequence[Sequence[float | None]]]]:
    """Each matrix of a record: its name, what its first row was trained on, and its rows."""
    yield "evaluation", -1, (run.initial, *run.evaluation)
    masked = task_view(run)
    if masked is not None:
        yield "masked", 0, masked
    if run.validation:
        yield "validation", 0, run.validation


def _tests(
    names: Row, view: str, first: int, rows: Sequence[Sequence[float | None]]
) -> Iterator[Row]:
    for trained, values in enumerate(rows, first):
        for tested, value in enumerate(values):
            if value is not None:
                place = {"trained": trained, "tested": tested}
                yield {**names, "view": view, **place, "value": value}


def drift(summaries: Sequence[Summary], by: str) -> Iterator[Row]:
    """A row for each measured number of the drift; `by` is one of `DRIFT`."""
    for row in summaries:
        for run in row.results:
            names = _short(row, run)
            for trained, entry in enumerate(run.drift):
                for values in DRIFT[by](entry):
                    yield {**names, "trained": trained, **values}


def _by_group(entry: Drift) -> Iterator[Row]:
    for since, groups in (("start", entry.start), ("previous", entry.previous)):
        for group, columns in groups.items():
            yield from _metric_rows({"since": since, "group": group}, columns)


def _by_layer(entry: Drift) -> Iterator[Row]:
    for layer, (l2, relative) in entry.layers.items():
        yield from _metric_rows({"layer": layer}, {"l2": l2, "relative": relative})


def _by_decile(entry: Drift) -> Iterator[Row]:
    for decile, change in enumerate(entry.deciles, 1):
        yield {"decile": decile, "mean_absolute_change": change}


def _metric_rows(names: Row, columns: Mapping[str, float | None]) -> Iterator[Row]:
    for metric, value in columns.items():
        if value is not None:
            yield {**names, "metric": metric, "value": value}


def _short(row: Summary, run: RunResult) -> Row:
    """What names a run in a long frame."""
    named = identity(row, run)
    return {key: named[key] for key in ("protocol", "strategy", "options", "seed", "digest")}


DRIFT: Mapping[str, Callable[[Drift], Iterator[Row]]] = {
    "group": _by_group,
    "layer": _by_layer,
    "decile": _by_decile,
}
