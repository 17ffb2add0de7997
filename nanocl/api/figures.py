"""Figures of results: accuracy over the stream, and the evaluation matrix of one learner."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from nanocl.records import RunResult, Summary, UserError
from nanocl.records.ranges import did_you_mean
from nanocl.reporting import colours
from nanocl.reporting.columns import with_nan
from nanocl.reporting.drawing import look
from nanocl.reporting.plots import draw_curve, unit
from nanocl.reporting.screen import short_options
from nanocl.reporting.summaries import by_protocol, measure_of

SIZE = (5.5, 3.4)  # inches
MOST_LETTERS = 40  # of a name in the legend
RESOLUTION = 110  # dots per inch in a notebook
BRIGHT = 0.6  # share of the colour map from which on its colours need dark letters


class Picture(Figure):
    """A figure that a notebook shows without pyplot and its list of open figures."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        with look():
            self.savefig(buffer, format="png", bbox_inches="tight", dpi=RESOLUTION)
        return buffer.getvalue()


def curves(summaries: Sequence[Summary]) -> Figure:
    """The mean result on the experiences so far after each, with a band over seeds.

    Raises:
        UserError: Not the runs of one protocol, or none that reached the end.
    """
    rows = [row for row in _of_one_protocol(summaries) if row.seeds]
    if not rows:
        raise UserError("no run reached the end of the stream: there is nothing to plot")
    with look():
        figure, axes = _figure()
        for row, options in zip(rows, short_options(rows), strict=True):
            label = f"{row.strategy} {options}".strip()[:MOST_LETTERS]
            draw_curve(axes, row, label, colours.style(row.strategy))
        measure = measure_of(rows[0])
        axes.set_xlabel("experiences trained")
        axes.set_ylabel(f"{measure} on experiences so far{unit(measure)}")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def matrix(summaries: Sequence[Summary], learner: str) -> Figure:
    """The mean of the evaluation matrices of a learner over its seeds.

    Raises:
        UserError: Not the runs of one protocol, no such learner, or several settings of it.
    """
    of_protocol = _of_one_protocol(summaries)
    rows = [row for row in of_protocol if row.strategy == learner and row.seeds]
    if len(rows) != 1:
        names = [row.strategy for row in of_protocol if row.seeds]
        settings = "; ".join(row.options or "default options" for row in rows)
        reason = f"has several settings: choose one with filter(options=...): {settings}"
        missing = f"is not among the runs{did_you_mean(learner, names)}"
        raise UserError(f"{learner!r} {reason if rows else missing}")
    measure = measure_of(rows[0])
    means = _mean_matrix(rows[0], 100 if measure == "accuracy" else 1)
    largest = 100 if measure == "accuracy" else numpy.nanmax(means)
    with look():
        figure, axes = _figure()
        image = axes.imshow(means, cmap="viridis", vmin=0, vmax=largest)
        figure.colorbar(image, label=f"{measure}{unit(measure)}")
        for (i, j), value in numpy.ndenumerate(means):
            if not math.isnan(value):
                colour = "black" if value > BRIGHT * largest else "white"
                axes.text(j, i, f"{value:.3g}", ha="center", va="center", color=colour)
        axes.set_xlabel("tested on experience")
        axes.set_ylabel("after training on experience")
        axes.set_title(f"{learner}, mean of {len(rows[0].seeds)} seeds")
    return figure


def _of_one_protocol(summaries: Sequence[Summary]) -> list[Summary]:
    groups = by_protocol(summaries)
    if len(groups) != 1:
        names = [f"{rows[0].results[0].spec.protocol} {rows[0].protocol_hash}" for rows in groups]
        raise UserError(
            f"plot takes the runs of one protocol, got {len(groups)} ({', '.join(names)}); choose "
            "with filter(protocol_hash=...)"
        )
    return groups[0]


def _figure() -> tuple[Figure, Axes]:
    figure = Picture(figsize=SIZE, layout="constrained")
    return figure, figure.subplots()


def _mean_matrix(row: Summary, factor: float) -> NDArray:
    return factor * numpy.mean([with_nan(run.evaluation) for run in _finished(row)], axis=0)


def _finished(row: Summary) -> list[RunResult]:
    return [run for run in row.results if run.status == "ok"]
