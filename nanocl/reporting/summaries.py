"""Records to rows: one strategy under one protocol, over its seeds."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from nanocl.plugins.catalogue import INSTALLED
from nanocl.plugins.declaration import Plugin
from nanocl.records import Matrix, Option, Part, RunResult, RunSpec, Summary, UserError
from nanocl.reporting import metrics
from nanocl.reporting.metrics import Column, Evaluation, Undefined

UPPER_BOUND = "joint"


def summarise(results: Iterable[RunResult]) -> list[Summary]:
    """One row for each protocol, strategy and setting of its options, in that order; upper bounds last.

    `Summary.columns` holds every metric by name; drift by group and name, as `backbone.l2`.
    """
    known = _strategies()
    rows = []
    for runs in _grouped(results, _protocol_order):
        joint = references(runs)
        for row in _grouped(runs, lambda run: (is_upper_bound(run), *_row_order(run))):
            rows.append(_summary(sorted(row, key=lambda run: run.spec.seed), joint, known))
    return rows


def by_protocol(summaries: Sequence[Summary]) -> list[list[Summary]]:
    """Rows that may share a table, in the order of their protocols."""
    return _grouped(summaries, lambda row: _protocol_order(row.results[0]))


def is_upper_bound(result: RunResult) -> bool:
    """Whether joint training is part of the composition."""
    return any(part.name == UPPER_BOUND for part in result.spec.strategy)


def references(results: Iterable[RunResult]) -> dict[int, Evaluation]:
    """Seed to what joint training reached: plain `joint`, else one composed with it; of several that with most seeds.

    How well it did plays no part, so that no reference is picked for its luck.
    """
    rows = _grouped(
        (run for run in results if is_upper_bound(run) and run.status == "ok"), _row_order
    )
    if not rows:
        return {}
    chosen = max(
        rows,
        key=lambda row: (
            row[0].spec.strategy_name == UPPER_BOUND,
            len(row),
            row[0].spec.options_from == "default",
        ),
    )
    return {run.spec.seed: Evaluation(run.initial, run.evaluation, run.measure) for run in chosen}


def compute(column: Column, group: str, run: RunResult, joint: Mapping[int, Evaluation]) -> float:
    """One metric of one run; `group` matters for drift, `joint` is what `references` gave.

    Raises:
        Undefined: With the reason.
    """
    if column.kind == "drift":
        return column.compute(run.drift, group)
    if column.kind == "cost":
        return column.compute(run.cost)
    if is_upper_bound(run):
        joint = {}
    return column.compute(
        Evaluation(
            run.initial, run.evaluation, run.measure, joint.get(run.spec.seed), _task_view(run)
        )
    )


def column_name(column: Column, group: str) -> str:
    """The key of `Summary.columns`."""
    return f"{group}.{column.name}" if group else column.name


def measure_of(row: Summary) -> str:
    """`accuracy` or `loss`."""
    return row.results[0].measure


def _task_view(run: RunResult) -> Matrix | None:
    """The task-incremental view; None for an experience whose classes could not answer yet, whatever was stored."""
    if run.masked is None or run.spec.training.head == "all":
        return run.masked and run.masked["evaluation"]
    return tuple(
        tuple(value if j <= i else None for j, value in enumerate(row))
        for i, row in enumerate(run.masked["evaluation"])
    )


def _summary(
    runs: Sequence[RunResult], joint: Mapping[int, Evaluation], known: Mapping[str, Plugin]
) -> Summary:
    measured, spec = [run for run in runs if run.status == "ok"], runs[0].spec
    return Summary(
        strategy=spec.strategy_name,
        options=_options(spec, known),
        options_from="/".join(sorted({run.spec.options_from for run in runs})),
        protocol=spec.protocol_hash,
        seeds=tuple(run.spec.seed for run in measured),
        diverged=tuple(run.spec.seed for run in runs if run.status != "ok"),
        columns={
            column_name(column, group): tuple(_value(column, group, run, joint) for run in measured)
            for column, group in _all_columns()
        },
        results=tuple(runs),
    )


def _all_columns() -> Iterator[tuple[Column, str]]:
    for kind in metrics.KINDS:
        yield from itertools.product(
            metrics.columns(kind), metrics.GROUPS if kind == "drift" else ("",)
        )


def _value(
    column: Column, group: str, run: RunResult, joint: Mapping[int, Evaluation]
) -> float | None:
    try:
        return compute(column, group, run, joint)
    except Undefined:
        return None


def _grouped(items: Iterable[Any], key: Callable[[Any], Any]) -> list[list[Any]]:
    return [list(group) for _, group in itertools.groupby(sorted(items, key=key), key)]


def _protocol_order(result: RunResult) -> tuple[str, ...]:
    spec = result.spec
    return spec.protocol, spec.tier, spec.scenario, spec.protocol_hash


def _row_order(result: RunResult) -> tuple[str, str]:
    parts = [
        (part.name, sorted(part.options.items()), part.plugin) for part in result.spec.strategy
    ]
    return result.spec.strategy_name, repr(parts)


def _strategies() -> Mapping[str, Plugin]:
    try:
        return INSTALLED.plugins("strategies")
    except UserError:  # a broken plugin of another package must not keep records from being read
        return {}


def _options(spec: RunSpec, known: Mapping[str, Plugin]) -> str:
    return " ".join(
        text if len(spec.strategy) == 1 else f"{part.name}.{text}"
        for part in spec.strategy
        for text in _differing(part, known)
    )


def _differing(part: Part, known: Mapping[str, Plugin]) -> Iterator[str]:
    defaults = known[part.name].options if part.name in known and not part.plugin else {}
    if part.plugin:
        yield f"file={part.plugin}"
    for name, value in part.options.items():
        if name not in defaults or not _same(value, defaults[name][1]):
            yield f"{name}={as_text(value)}"


def _same(value: Option, default: Option) -> bool:
    return value == default and isinstance(value, bool) == isinstance(default, bool)


def as_text(value: Option) -> str:
    """An option's value as it is written on the command line."""
    if value == "":
        return '""'
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
