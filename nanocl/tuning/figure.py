"""How much a learner depends on its learning rate: the scores of all settings that were tried."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nanocl.reporting.colours import MARKERS, PALETTE
from nanocl.reporting.drawing import WIDTH, content, look
from nanocl.tuning.choice import Trial
from nanocl.tuning.recipe import Recipe, standard_error


def sensitivity(recipe: Recipe, kind: str = "svg") -> bytes:
    """Mean score with its standard error, and learning accuracy, over the first option.

    With a second option there is a line for each of its values. A ring marks the choice.

    Args:
        recipe: What was tried.
        kind: `svg` or `png`.
    """
    with look():
        figure = Figure(figsize=(WIDTH, 2.3), layout="constrained")
        axes = figure.add_subplot()
        for number, (label, trials) in enumerate(_lines(recipe).items()):
            _draw(axes, trials, label, PALETTE[number % len(PALETTE)], MARKERS[number % 8])
        winner = recipe.choice.winner
        axes.plot(
            winner.setting[0][2], _shown(winner.mean), "o", ms=9, mfc="none", mec="black", mew=0.8
        )
        first = recipe.search.axes[0]
        axes.set_xscale("log")
        axes.set_xlabel(f"{first.part}.{first.option}")
        axes.set_ylabel(f"{recipe.score}, percent (dashed: learning accuracy)")
        axes.set_title(f"{recipe.learner} on {recipe.protocol}, {recipe.method.name}")
        if len(recipe.search.axes) > 1:
            axes.legend(title=f"{recipe.search.axes[1].part}.{recipe.search.axes[1].option}")
        return content(figure, kind)


def _lines(recipe: Recipe) -> dict[str, list[Trial]]:
    """The trials that share the value of the second option, by that value."""
    lines: dict[str, list[Trial]] = {}
    for trial in recipe.trials:
        label = f"{trial.setting[1][2]:g}" if len(trial.setting) > 1 else ""
        lines.setdefault(label, []).append(trial)
    return lines


def _draw(axes: Axes, trials: Sequence[Trial], label: str, colour: str, marker: str) -> None:
    finished = [trial for trial in trials if trial.mean > -math.inf]
    rates = [trial.setting[0][2] for trial in finished]
    axes.errorbar(
        rates,
        [_shown(trial.mean) for trial in finished],
        yerr=[100 * standard_error(trial) for trial in finished],
        color=colour,
        marker=marker,
        capsize=2,
        label=label,
    )
    learning = [_shown(trial.mean_learning) for trial in finished]
    axes.plot(rates, learning, color=colour, linestyle="--", linewidth=0.7)


def _shown(value: float) -> float:
    return 100 * value
