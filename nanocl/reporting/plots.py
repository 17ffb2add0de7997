"""Figures for papers: accuracy over the stream, and learning against forgetting.

One column of a page wide; colours, markers and dashes tell rows apart without colour too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nanocl.records import RunResult, Summary, UserError
from nanocl.reporting import colours, metrics, papers, statistics
from nanocl.reporting.colours import Style
from nanocl.reporting.columns import Column, with_nan
from nanocl.reporting.drawing import WIDTH, content, look
from nanocl.reporting.summaries import is_upper_bound, measure_of
from nanocl.reporting.tables import file_stem

MOST_ROWS = 8  # of a figure: the palette has as many colours
Place = TypeVar("Place", bound=tuple)


class _Line(NamedTuple):
    """A row of the figure with its name and its look."""

    row: Summary
    name: str
    style: Style


def draw(
    summaries: Sequence[Summary], names: tuple[str, ...], kinds: Sequence[str]
) -> Iterator[tuple[str, bytes]]:
    """File name and content of each figure of each protocol.

    Args:
        summaries: Rows of any protocols.
        names: Strategies in the order of the legend; empty for upper bounds and the best rows, at
            most MOST_ROWS.
        kinds: `pdf`, `svg`, `png`.

    Raises:
        UserError: No such strategy, more than MOST_ROWS names, or no run reached the end.
    """
    if len(names) > MOST_ROWS:
        raise UserError(f"a figure has at most {MOST_ROWS} rows, got {len(names)} names")
    plans: dict[str, Callable[[Sequence[_Line]], Figure]] = {"stream": stream, "plane": plane}
    drawn = False
    for table in papers.tables(summaries, papers.Choice(rows=names, best="none")):
        lines = _lines(table)
        for name, plan in plans.items() if lines else ():
            stem = file_stem(table.rows[0].results[0].spec)
            drawn = True
            with look():
                figure = plan(lines)
                for kind in kinds:
                    yield f"{stem}-{name}.{kind}", content(figure, kind)
    if not drawn:
        raise UserError("no run reached the end of its stream: there is nothing to draw")


def stream(lines: Sequence[_Line]) -> Figure:
    """The mean result on the experiences so far after each, with a band of one deviation."""
    figure, axes = _figure(lines)
    for line in lines:
        draw_curve(axes, line.row, line.name, line.style)
    measure = measure_of(lines[0].row)
    axes.set_xlabel("experiences trained")
    axes.set_ylabel(f"{measure} on experiences so far{unit(measure)}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return _with_legend(figure, axes)


def plane(lines: Sequence[_Line]) -> Figure:
    """Forgetting against what was just learned, with standard deviations.

    The axis of forgetting points down: better is up and to the right. A grey line joins the rows
    that no other row beats on both, upper bounds aside.
    """
    figure, axes = _figure(lines)
    measure = measure_of(lines[0].row)
    direction = 1 if measure == "accuracy" else -1
    places = []
    for line in lines:
        learned = _spread(line.row, metrics.learning_accuracy, measure)
        forgotten = _spread(line.row, metrics.forgetting, measure)
        if learned is None or forgotten is None:
            continue
        if not is_upper_bound(line.row.results[0]):
            places.append((direction * learned[0], -forgotten[0]))
        axes.errorbar(
            *(learned[0], forgotten[0]),
            xerr=learned[1],
            yerr=forgotten[1],
            color=line.style.colour,
            marker=line.style.marker,
            linestyle="none",
            elinewidth=0.6,
            label=line.name,
        )
    front = [(direction * x, -y) for x, y in sorted(unbeaten(places))]
    axes.plot(
        [x for x, _ in front], [y for _, y in front], color=colours.GREY, linewidth=0.6, zorder=0
    )
    axes.invert_yaxis()
    if direction < 0:
        axes.invert_xaxis()
    axes.set_xlabel(f"{measure} just after training{unit(measure)}")
    axes.set_ylabel("forgetting (points, less is up)" if unit(measure) else "forgetting (less: up)")
    return _with_legend(figure, axes)


def unbeaten(places: Sequence[Place]) -> list[Place]:
    """The points that no other point beats: one at least as high in both of the first two values.

    A point does not beat an equal one.
    """

    def is_beaten(place: Place) -> bool:
        as_good = [other for other in places if other[0] >= place[0] and other[1] >= place[1]]
        return any(other[:2] != place[:2] for other in as_good)

    return [place for place in places if not is_beaten(place)]


def draw_curve(axes: Axes, row: Summary, label: str, style: Style) -> None:
    """The mean over seeds of the result on the experiences so far, with a band."""
    factor = 100 if measure_of(row) == "accuracy" else 1
    by_seed = [_so_far(run) for run in row.results if run.status == "ok"]
    at = list(zip(*by_seed, strict=True))
    means = [factor * statistics.mean(values) for values in at]
    spreads = [factor * (statistics.deviation(values) or 0.0) for values in at]
    low = [mean - spread for mean, spread in zip(means, spreads, strict=True)]
    high = [mean + spread for mean, spread in zip(means, spreads, strict=True)]
    steps = range(1, len(means) + 1)
    axes.fill_between(steps, low, high, color=style.colour, alpha=0.15, linewidth=0)
    axes.plot(steps, means, style.dash, color=style.colour, marker=style.marker, label=label)


def unit(measure: str) -> str:
    """What follows the name of a measure on an axis."""
    return " (%)" if measure == "accuracy" else ""


def _lines(table: papers.PaperTable) -> list[_Line]:
    """The rows that reached the end, at most MOST_ROWS."""
    pairs = [pair for pair in zip(table.rows, table.names, strict=True) if pair[0].seeds]
    rows = [row for row, _ in pairs[:MOST_ROWS]]
    styles = colours.distinct([row.strategy for row in rows])
    return [_Line(*pair, style) for pair, style in zip(pairs, styles, strict=False)]


def _spread(row: Summary, column: Column, measure: str) -> tuple[float, float] | None:
    """Mean and standard deviation of a column as they are drawn; None if it is undefined."""
    values = [value for value in row.columns[column.name] if value is not None]
    if not values:
        return None
    factor = 100 if measure == "accuracy" else 1
    return factor * statistics.mean(values), factor * (statistics.deviation(values) or 0.0)


def _so_far(run: RunResult) -> list[float]:
    """The mean over experiences 0 to i after each experience i; NaN where one was not tested."""
    return [sum(row[: i + 1]) / (i + 1) for i, row in enumerate(with_nan(run.evaluation))]


def _figure(lines: Sequence[_Line]) -> tuple[Figure, Axes]:
    """A figure of one column; each line of its legend adds to the height."""
    figure = Figure(figsize=(WIDTH, 2.2 + 0.13 * ((len(lines) + 1) // 2)), layout="constrained")
    return figure, figure.subplots()


def _with_legend(figure: Figure, axes: Axes) -> Figure:
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure
