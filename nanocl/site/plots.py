"""The plots of the site as SVG, in colours that can be read on light and on dark pages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib
import numpy
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from nanocl.records import RunResult, Summary
from nanocl.reporting import colours, drawing, metrics, statistics
from nanocl.reporting.columns import with_nan
from nanocl.reporting.ranking import Place, Ranking, values_of
from nanocl.reporting.summaries import measure_of
from nanocl.site.board import family

SIZE = (4.2, 3.0)  # inches
INK = "#767676"  # a contrast of at least 4.5 on white and on black
MARKS = {"optimizer alone": "o", "penalty or distillation": "s", "stores samples": "^"}
_LOOK = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.titlesize": 9,
    "legend.fontsize": 8,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


@contextmanager
def _axes() -> Iterator[tuple[Figure, Axes]]:
    with drawing.look():
        matplotlib.rcParams.update(_LOOK)  # type: ignore[arg-type]
        figure = Figure(figsize=SIZE)
        figure.subplots_adjust(
            0.19, 0.16, 0.97, 0.96
        )  # a computed layout takes three times as long
        yield figure, figure.subplots()


def plane(ranking: Ranking) -> bytes:
    """Plasticity (LA) against forgetting (F) of every row; a point's number is its place."""
    return _points(
        ranking,
        (metrics.learning_accuracy.name, metrics.forgetting.name),
        ("right after training (LA)", "forgotten (F)"),
        factors=(_factor(ranking), _factor(ranking)),
    )


def cost(ranking: Ranking) -> bytes:
    """State bytes a weight against the score; a point's number is its place."""
    return _points(
        ranking,
        ("state_bytes_per_parameter", ranking.score.name),
        ("state, bytes a weight", ranking.score.title),
        factors=(1.0, _factor(ranking)),
        is_log=True,
    )


def _points(
    ranking: Ranking,
    columns: tuple[str, str],
    titles: tuple[str, str],
    *,
    factors: tuple[float, float],
    is_log: bool = False,
) -> bytes:
    with _axes() as (figure, axes):
        for number, place in enumerate(ranking.places, 1):
            x, y = (
                factor * value if (value := mean_of(place.row, name, ranking)) is not None else None
                for name, factor in zip(columns, factors, strict=True)
            )
            if x is None or y is None:
                continue
            mark = MARKS.get(family(place.row), "*")
            axes.plot(x, y, mark, color=colours.style(place.row.strategy).colour, markersize=5)
            axes.annotate(str(number), (x, y), xytext=(4, 3), textcoords="offset points")
        if is_log:
            axes.set_xscale("symlog", linthresh=0.1, subs=(2, 5))
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter("{x:g}")
        axes.set_xlabel(titles[0])
        axes.set_ylabel(titles[1])
        return drawing.content(figure, "svg")


def heat_map(row: Summary) -> bytes:
    """The mean evaluation matrix over seeds."""
    means = mean_matrix(row)
    with _axes() as (figure, axes):
        image = axes.imshow(means, cmap="viridis", aspect="auto", interpolation="nearest")
        figure.colorbar(image, label=_label(row))
        axes.set_xlabel("tested on experience")
        axes.set_ylabel("after training on experience")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(integer=True))
        return drawing.content(figure, "svg")


def curves(row: Summary) -> bytes:
    """The first experience, and the mean over those so far, while the stream is learned."""
    with _axes() as (figure, axes):
        for name, colour, values in (
            ("first experience", colours.VERMILLION, first_task(row)),
            ("mean so far", colours.BLUE, mean_so_far(row)),
        ):
            steps = range(1, values.shape[1] + 1)
            low, middle, high = band(values)
            axes.fill_between(steps, low, high, color=colour, alpha=0.25, linewidth=0)
            axes.plot(steps, middle, color=colour, marker="o", markersize=3, label=name)
        axes.set_xlabel("experiences trained")
        axes.set_ylabel(_label(row))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend()
        return drawing.content(figure, "svg")


def deciles(row: Summary) -> bytes:
    """Mean change of the weights in each tenth of their starting magnitude, at the end."""
    with _axes() as (figure, axes):
        axes.bar(range(1, 11), change_by_decile(row), color=colours.SKY)
        axes.set_xlabel("tenth of |start|, smallest first")
        axes.set_ylabel("mean |change|")
        axes.set_xticks(range(1, 11))
        return drawing.content(figure, "svg")


def mean_of(row: Summary, name: str, ranking: Ranking) -> float | None:
    """The mean of a column over the seeds of the board; None where it is undefined."""
    if name not in row.columns or not row.seeds:
        return None
    values = [value for value in values_of(row, name, ranking.seeds) if value is not None]
    return statistics.mean(values) if values else None


def finished(row: Summary) -> list[RunResult]:
    """The runs of a row that reached the end."""
    return [run for run in row.results if run.status == "ok"]


def mean_matrix(row: Summary) -> NDArray:
    """The mean over seeds of the evaluation matrices, in percent for accuracies."""
    return scale(row) * numpy.mean([with_nan(run.evaluation) for run in finished(row)], axis=0)


def first_task(row: Summary) -> NDArray:
    """The result on the first experience after each, by seed."""
    return scale(row) * numpy.array([with_nan(run.evaluation) for run in finished(row)])[:, :, 0]


def mean_so_far(row: Summary) -> NDArray:
    """The mean over the experiences so far after each, by seed."""
    matrices = scale(row) * numpy.array([with_nan(run.evaluation) for run in finished(row)])
    steps = range(matrices.shape[1])
    return numpy.stack([matrices[:, i, : i + 1].mean(axis=1) for i in steps], axis=1)


def change_by_decile(row: Summary) -> NDArray:
    """The mean over seeds of `Drift.deciles` at the end."""
    return numpy.mean([run.drift[-1].deciles for run in finished(row)], axis=0)


def band(values: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Mean over seeds and its 95 % interval, or the mean three times with too few seeds."""
    means = values.mean(axis=0)
    ends = [statistics.interval(column.tolist()) for column in values.T]
    low = numpy.array([end[0] if end else m for end, m in zip(ends, means, strict=True)])
    high = numpy.array([end[1] if end else m for end, m in zip(ends, means, strict=True)])
    return low, means, high


def scale(row: Summary) -> float:
    """From a measured number to a shown one."""
    return 100.0 if measure_of(row) == "accuracy" else 1.0


def _factor(ranking: Ranking) -> float:
    first: Place = ranking.places[0]
    return scale(first.row)


def _label(row: Summary) -> str:
    return f"{measure_of(row)} (%)" if measure_of(row) == "accuracy" else measure_of(row)
