"""Where NanoAdam's advantage over AdamW comes from: the head's own rate, sparsity, smallness.

With `tied`: one rate for backbone and head; `free`: the rate of head and norms swept independently.

old(nanoadam, free) - old(adamw, tied) = [old(adamw, free) - old(adamw, tied)]: the head's own rate
    + [old(random, free) - old(adamw, free)]: sparsity of any kind
    + [old(nanoadam, free) - old(random, free)]: smallness
"""

from __future__ import annotations

from dataclasses import replace

from nanocl.studies import claims
from nanocl.studies.finetune import fronts
from nanocl.studies.finetune.claimed import ClaimRow, Role
from nanocl.studies.finetune.fronts import Levels
from nanocl.studies.finetune.grids import FREE, TIED
from nanocl.studies.finetune.measures import Measure, old_gain
from nanocl.studies.finetune.points import Point, Seeds
from nanocl.studies.finetune.readings import Chosen

PARTS = """\
**Parts of an advantage.** With *one rate* backbone and head share it; with *a head rate of its own*
the rate of head and norms is swept independently. At equal new-task accuracy the parts (a), (b) and
(c) add up to the whole advantage, seed by seed. At equal drift each pair of arms has a bound of its
own, the lower of the drifts of their readings, so that those parts do not add up. A head rate of
its own includes leaving the backbone at rate 0, and such readings are many; *with the backbone
trained* only settings with a backbone rate above 0 are read. The less the backbone moves, the more
of the old task is kept, so that these readings tend to the lowest rates of the grids (`edge`)."""
LEVEL = 0.9  # of the levels of `fronts`
ADAMW_TIED = Role("adamw", TIED)
ADAMW = Role("adamw", FREE)
RANDOM = Role("random", FREE)
NANOADAM = Role("nanoadam", FREE)
NANOADAM_TIED = Role("nanoadam", TIED)
TERMS = (
    ("NanoAdam with a head rate of its own keeps more of the old task than AdamW with one rate "
     "(the whole advantage)", NANOADAM, ADAMW_TIED),
    ("AdamW with a head rate of its own keeps more of the old task than AdamW with one rate "
     "(part a: the head's own rate)", ADAMW, ADAMW_TIED),
    ("random weights keep more of the old task than all weights, both with a head rate of their "
     "own (part b: sparsity of any kind)", RANDOM, ADAMW),
    ("the smallest weights keep more of the old task than random ones, both with a head rate of "
     "their own (part c: smallness)", NANOADAM, RANDOM),
    ("NanoAdam with one rate keeps more of the old task than AdamW with one rate (the whole "
     "advantage)", NANOADAM_TIED, ADAMW_TIED),
    ("NanoAdam with one rate keeps more of the old task than random weights with a head rate of "
     "their own (part c of that)", NANOADAM_TIED, RANDOM),
)  # fmt: skip


def at_level(levels: Levels, first: Seeds, second: Seeds, seed: int) -> list[Chosen]:
    """The readings at `LEVEL`."""
    if seed not in levels.by_share.get(LEVEL, {}):
        return []
    level = levels.by_share[LEVEL][seed]
    return [(fronts.reading(first[seed], level), fronts.reading(second[seed], level))]


def at_equal_drift(levels: Levels, first: Seeds, second: Seeds, seed: int) -> list[Chosen]:
    """Of the settings within a bound on drift, those best on the new task.

    The bound is the lower of the drifts of the two readings at `LEVEL`.
    """
    ((a, b),) = at_level(levels, first, second, seed) or [(None, None)]
    if a is None or b is None or a.drift is None or b.drift is None:
        return []
    bound = min(a.drift, b.drift)

    def near(points: Seeds) -> Point | None:
        return fronts.best([p for p in points[seed] if p.drift is not None and p.drift <= bound])

    return [(near(first), near(second))]


EQUAL_NEW = Measure(
    f"old-task accuracy at {100 * LEVEL:g} % of the new-task accuracy that all reach, {{}} - {{}}",
    claims.points,
    at_level,
    old_gain,
)
MOVING = replace(EQUAL_NEW, words=f"{EQUAL_NEW.words}, backbone trained", moving=True)
EQUAL_DRIFT = Measure(
    "old-task accuracy at equal drift, {} - {}",
    claims.points,
    at_equal_drift,
    old_gain,
)


_AT_EQUAL_NEW = "at equal new-task accuracy"
CENTRAL = tuple(f"{text} {_AT_EQUAL_NEW}" for text, _, _ in TERMS[:4])  # the whole and its parts


def rows() -> list[ClaimRow]:
    """The terms at equal new-task accuracy, those of `CENTRAL` with the backbone trained, drift."""
    made = []
    trained = f"{_AT_EQUAL_NEW}, with the backbone trained"
    for where, measure, terms in (
        (_AT_EQUAL_NEW, EQUAL_NEW, TERMS),
        (trained, MOVING, TERMS[: len(CENTRAL)]),
        ("at equal drift", EQUAL_DRIFT, TERMS),
    ):
        for text, first, second in terms:
            claim = f"{text} {where}"
            made.append(ClaimRow(claim, "ours", measure, first, second, same_head=False))
    return made
