"""Which measurement of a finetuned model says how much it forgot: KL, features or distance?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nanocl.reporting.formats import pipe_table
from nanocl.reporting.statistics import FEWEST_SEEDS, interval, mean, sign_flip_p_value
from nanocl.studies.finetune.fronts import is_joint
from nanocl.studies.finetune.points import Point, Sweep

FEWEST = 5  # points of a seed, below which ranks say little
MEASURES: Mapping[str, Callable[[Point], float | None]] = {
    "KL of the outputs on the new task": lambda point: point.divergence,
    "1 - CKA of the old task's features": lambda point: point.representation,
    "L2 distance of the backbone": lambda point: point.drift,
}
_KL, _, _DISTANCE = MEASURES


def correlations(sweep: Sweep) -> dict[str, dict[int, float]]:
    """Measure to seed to Spearman's rank correlation with forgetting, over all points of all arms.

    Forgetting is the accuracy on the old task before finetuning minus that after. Joint training,
    which sees the old task, is left out; so is a seed with fewer than `FEWEST` points.
    """
    found: dict[str, dict[int, float]] = {name: {} for name in MEASURES}
    for seed in sorted({seed for seeds in sweep.arms.values() for seed in seeds}):
        points = [
            point
            for arm, seeds in sweep.arms.items()
            if not is_joint(arm)
            for point in seeds.get(seed, ())
        ]
        for name, measure in MEASURES.items():
            pairs = [
                (value, point.before - point.old)
                for point in points
                if point.old is not None and (value := measure(point)) is not None
            ]
            value = _rank_correlation(pairs)
            if value is not None:
                found[name][seed] = value
    return found


def table(sweep: Sweep) -> str:
    """Markdown: each measure's correlation, and the difference of KL and distance; or a reason."""
    # looked up first: loading scipy's statistics takes half a second
    if all(MEASURES[_KL](point) is None for point in sweep.points()):
        return "Not measured: the records were made before KL was recorded."
    found = correlations(sweep)
    rows = [(name, _cell(list(values.values()))) for name, values in found.items()]
    common = sorted(found[_KL].keys() & found[_DISTANCE].keys())
    differences = [found[_KL][seed] - found[_DISTANCE][seed] for seed in common]
    text = _cell(differences)
    if len(differences) >= FEWEST_SEEDS:
        text += f", p = {sign_flip_p_value(differences):.3g}"
    rows.append((f"{_KL}, minus {_DISTANCE}", text))
    return pipe_table(("measure", "rank correlation with forgetting"), rows)


def _rank_correlation(pairs: Sequence[tuple[float, float]]) -> float | None:
    from scipy.stats import spearmanr

    first, second = zip(*pairs, strict=True) if pairs else ((), ())
    if len(pairs) < FEWEST or len(set(first)) < 2 or len(set(second)) < 2:
        return None
    return float(spearmanr(first, second).statistic)


def _cell(values: Sequence[float]) -> str:
    if not values:
        return "–"
    ends = interval(values, (-2.0, 2.0)) if len(values) >= FEWEST_SEEDS else None
    within = f" [{ends[0]:.2f}, {ends[1]:.2f}]" if ends else ""
    return f"{mean(values):.2f}{within}"
