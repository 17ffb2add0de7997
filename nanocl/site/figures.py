"""Every figure of the site with its alternative in words and the numbers behind it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from nanocl.records import Summary
from nanocl.reporting import metrics
from nanocl.site import plots
from nanocl.site.board import Board


@dataclass(frozen=True)
class Shown:
    """A figure on a page.

    Attributes:
        name: Of its files, without their endings.
        title: Above it.
        alternative: What it shows, in words.
        draw: Makes its SVG.
        header, rows: The numbers, which can be downloaded.
    """

    name: str
    title: str
    alternative: str
    draw: Callable[[], bytes]
    header: tuple[str, ...]
    rows: Sequence[Sequence[object]]

    def numbers(self) -> str:
        """The numbers as CSV."""
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerows([self.header, *self.rows])
        return text.getvalue()


def of_board(board: Board) -> list[Shown]:
    """Plasticity against forgetting, and state against score."""
    ranking = board.ranking
    score = ranking.score
    points = []
    for number, place in enumerate(ranking.places, 1):
        names = (
            metrics.learning_accuracy.name,
            metrics.forgetting.name,
            "state_bytes_per_parameter",
            score.name,
        )
        means = [plots.mean_of(place.row, name, ranking) for name in names]
        points.append((number, board.label(place), *("" if v is None else v for v in means)))
    return [
        Shown(
            "plane",
            "Plasticity and stability",
            "Each learner by its accuracy right after training and by what it then forgets. The "
            "number of a point is its place in the table; the best corner is at the lower right.",
            lambda: plots.plane(ranking),
            ("place", "learner", "LA", "F"),
            [point[:4] for point in points],
        ),
        Shown(
            "cost",
            "State and score",
            "Each learner by the bytes of state that it keeps for each weight and by its score.",
            lambda: plots.cost(ranking),
            ("place", "learner", "state bytes a weight", score.title),
            [(*point[:2], *point[4:]) for point in points],
        ),
    ]


def of_learner(row: Summary) -> list[Shown]:
    """The evaluation matrix, the curves over the stream, and the change by magnitude."""
    if not plots.finished(row):
        return []
    matrix = plots.mean_matrix(row)
    low, middle, high = plots.band(plots.first_task(row))
    steps = range(1, len(middle) + 1)
    changed = plots.change_by_decile(row)
    smallest, largest = float(changed[0]), float(changed[-1])
    return [
        Shown(
            "matrix",
            "Evaluation matrix",
            f"Mean over {len(row.seeds)} seeds: a row for each experience that was trained, a "
            "column for each that was tested.",
            lambda: plots.heat_map(row),
            ("trained", "tested", "mean"),
            [
                (i + 1, j + 1, _short(value))
                for i, line in enumerate(matrix)
                for j, value in enumerate(line)
            ],
        ),
        Shown(
            "curves",
            "While the stream is learned",
            f"The first experience: {middle[0]:.3g} after the first, {middle[-1]:.3g} after the "
            "last. Bands are 95 % intervals of the mean over seeds.",
            lambda: plots.curves(row),
            ("experiences trained", "first experience", "low", "high"),
            _rounded(zip(steps, middle, low, high, strict=True)),
        ),
        Shown(
            "deciles",
            "Change by magnitude",
            "Mean change of a weight at the end, in tenths of its starting magnitude: "
            f"{smallest:.3g} for the smallest, {largest:.3g} for the largest.",
            lambda: plots.deciles(row),
            ("tenth", "mean change"),
            _rounded(zip(range(1, 11), changed, strict=True)),
        ),
    ]


def _rounded(rows: Iterable[Sequence[float]]) -> list[list[object]]:
    return [[first, *map(_short, others)] for first, *others in rows]


def _short(value: float) -> str:
    return f"{value:.5g}"
