"""Records to rows: one strategy with its options under one protocol, over its seeds."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from nanocl.plugins.catalogue import INSTALLED
from nanocl.plugins.declaration import Plugin
from nanocl.records import (
    Cells,
    Cost,
    Drift,
    Option,
    Part,
    RunResult,
    RunSpec,
    Summary,
    UserError,
)
from nanocl.reporting import metrics
from nanocl.reporting.columns import Column, Evaluation, Undefined, with_nan

UPPER_BOUND = "joint"
SHOWN_DIGITS = 8  # of a hash
Plugins = Mapping[str, Plugin]


def summarise(results: Iterable[RunResult]) -> list[Summary]:
    """One row for each protocol, strategy and setting of its options, in that order.

    Upper bounds come last. `Summary.columns` holds every metric by name; drift by group and name,
    such as `backbone.l2`.
    """
    plugins = _strategies()
    rows = []
    for runs in _grouped(results, _protocol_order):
        joint = references(runs)
        for row in _grouped(runs, lambda run: (is_upper_bound(run), *_row_order(run))):
            rows.append(_summary(sorted(row, key=lambda run: run.spec.seed), joint, plugins))
    return rows


def by_protocol(summaries: Sequence[Summary]) -> list[list[Summary]]:
    """Rows that may share a table, in the order of their protocols."""
    return _grouped(summaries, lambda row: _protocol_order(row.results[0]))


def results_of(summaries: Iterable[Summary]) -> list[RunResult]:
    """The records behind the rows."""
    return [run for row in summaries for run in row.results]


def measured_groups(summaries: Sequence[Summary], kind: str) -> list[str]:
    """The groups of weights with a measured drift, at least `backbone`; `""` for other kinds."""
    if kind != "drift":
        return [""]
    groups = []
    for group in metrics.GROUPS:
        distances = [row.columns[f"{group}.l2"] for row in summaries]
        if any(value is not None for row in distances for value in row):
            groups.append(group)
    return groups or ["backbone"]


def is_upper_bound(result: RunResult) -> bool:
    """Whether joint training is part of the composition."""
    return any(part.name == UPPER_BOUND for part in result.spec.strategy)


def references(results: Iterable[RunResult]) -> dict[int, Evaluation]:
    """Seed to the evaluation of joint training.

    Plain `joint` comes first, then compositions with it; of several, the one with most seeds. The
    scores do not matter: choosing the best reference would bias it.
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
    return {run.spec.seed: evaluation_of(run) for run in chosen}


def compute(
    column: Column,
    group: str,
    run: RunResult,
    joint: Mapping[int, Evaluation],
) -> float:
    """One metric of one run.

    Args:
        column: The metric.
        group: The group of weights, for drift.
        run: The record.
        joint: Seed to joint training, see `references`.

    Raises:
        Undefined: With the reason.
    """
    return _computed(column, group, _measurements(run, joint))


class _Measurements(NamedTuple):
    """What the columns of each kind are computed from."""

    accuracy: Evaluation
    drift: Sequence[Drift]
    cost: Cost


def _measurements(run: RunResult, joint: Mapping[int, Evaluation]) -> _Measurements:
    reference = None if is_upper_bound(run) else joint.get(run.spec.seed)
    evaluation = evaluation_of(run)._replace(joint=reference, masked=task_view(run))
    return _Measurements(evaluation, run.drift, run.cost)


def _computed(column: Column, group: str, measured: _Measurements) -> float:
    if column.kind == "drift":
        return column.compute(measured.drift, group)
    return column.compute(measured.cost if column.kind == "cost" else measured.accuracy)


def column_name(column: Column, group: str) -> str:
    """The key of `Summary.columns`."""
    return f"{group}.{column.name}" if group else column.name


def measure_of(row: Summary) -> str:
    """`accuracy` or `loss`."""
    return row.results[0].measure


def evaluation_of(run: RunResult) -> Evaluation:
    """The rows of a run, without a reference and a task-incremental view."""
    evaluation = Evaluation(run.initial, with_nan(run.evaluation), run.measure)
    tracking = run.tracking.get("points", ())
    return evaluation._replace(
        untrained=_untrained_rows(run),
        own_heads=_has_own_heads(run),
        tracking=tracking,
        mastery=run.mastery,
        function=run.function,
        classes=tuple(entry["classes"] for entry in run.experiences),
    )


def _has_own_heads(run: RunResult) -> bool:
    """Whether each experience has a head; `auto` chooses so for classes with task labels."""
    if run.measure == "loss":
        return False
    return run.spec.training.head == "own" or (
        run.spec.training.head == "auto" and run.spec.scenario == "task"
    )


def _untrained_rows(run: RunResult) -> int:
    """Rows before the first training of a run that trains later, such as `joint` with `when=end`.

    Experiences before the option `start` of a stream were trained before the run.
    """
    is_still = [entry.start.get("all", {}).get("l2") == 0 for entry in run.drift]
    is_still = is_still or [_is_initial(run, row) for row in run.evaluation]
    if run.spec.stream.options.get("start") or not is_still or is_still[-1]:
        return 0
    return is_still.index(False)


def _is_initial(run: RunResult, row: Cells) -> bool:
    return all(a in (None, b) for a, b in zip(row, run.initial, strict=True))


def task_view(run: RunResult) -> Sequence[Sequence[float | None]] | None:
    """The task-incremental view; None for experiences whose classes were not met yet."""
    if run.masked is None:
        return None
    rows = run.masked["evaluation"]
    if run.spec.training.head == "all":
        return rows
    met = [row[: i + 1] for i, row in enumerate(rows)]
    return tuple((*row, *[None] * (len(rows) - len(row))) for row in met)


def _summary(
    runs: Sequence[RunResult],
    joint: Mapping[int, Evaluation],
    plugins: Plugins,
) -> Summary:
    measured = [run for run in runs if run.status == "ok"]
    spec = runs[0].spec
    measurements = [_measurements(run, joint) for run in measured]
    columns = {}
    for column, group in _all_columns():
        values = [_value(column, group, one) for one in measurements]
        columns[column_name(column, group)] = tuple(values)
    return Summary(
        strategy=spec.strategy_name,
        options=options_of(spec, plugins),
        options_from="/".join(sorted({run.spec.options_from for run in runs})),
        protocol_hash=spec.protocol_hash,
        seeds=tuple(run.spec.seed for run in measured),
        diverged=tuple(run.spec.seed for run in runs if run.status != "ok"),
        columns=columns,
        results=tuple(runs),
    )


def _all_columns() -> Iterator[tuple[Column, str]]:
    for kind in metrics.KINDS:
        yield from itertools.product(
            metrics.columns(kind), metrics.GROUPS if kind == "drift" else ("",)
        )


def _value(column: Column, group: str, measured: _Measurements) -> float | None:
    try:
        return _computed(column, group, measured)
    except Undefined:
        return None


def _grouped(items: Iterable[Any], key: Callable[[Any], Any]) -> list[list[Any]]:
    return [list(group) for _, group in itertools.groupby(sorted(items, key=key), key)]


def _protocol_order(result: RunResult) -> tuple[str, ...]:
    spec = result.spec
    return spec.protocol, spec.tier, spec.scenario, spec.protocol_hash


def _row_order(result: RunResult) -> tuple[str, str]:
    parts = [
        (part.name, sorted(part.options.items()), part.plugin, part.version)
        for part in result.spec.strategy
    ]
    return result.spec.strategy_name, repr(parts)


def _strategies() -> Plugins:
    try:
        return INSTALLED.plugins("strategies")
    except UserError:  # a broken plugin of another package must not keep records from being read
        return {}


def options_of(spec: RunSpec, plugins: Plugins | None = None) -> str:
    """The options of all parts that differ from their defaults, as text."""
    plugins = _strategies() if plugins is None else plugins
    texts = []
    for part in spec.strategy:
        prefix = f"{part.name}." if len(spec.strategy) > 1 else ""
        texts += [f"{prefix}{text}" for text in _differing(part, plugins)]
    return " ".join(texts)


def _differing(part: Part, plugins: Plugins) -> Iterator[str]:
    installed = part.name in plugins and not part.plugin
    defaults = plugins[part.name].options if installed else {}
    if part.plugin:
        yield plugin_text(part)
    if part.version > 1:
        yield f"(v{part.version})"
    for name, value in part.options.items():
        if name not in defaults or not _same(value, defaults[name][1]):
            yield f"{name}={as_text(value)}"


def plugin_text(part: Part) -> str:
    """A plugin of the user, with the first digits of the hash of its file."""
    return f"user plugin (hash {part.plugin[:SHOWN_DIGITS]})"


def _same(value: Option, default: Option) -> bool:
    return value == default and isinstance(value, bool) == isinstance(default, bool)


def as_text(value: Option) -> str:
    """An option's value as it is written on the command line."""
    if value == "":
        return '""'
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return str(value)
