"""One of several equal parts of a grid of runs, for machines that share nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from nanocl.records import RunSpec, UserError


@dataclass(frozen=True)
class Shard:
    """Part `number` of `count`, counted from 1; the parts are disjoint and together the grid."""

    number: int = 1
    count: int = 1

    def of(self, specs: Sequence[RunSpec]) -> list[RunSpec]:
        """The runs of this part, in the order of the grid.

        Runs are dealt out learner by learner, all seeds of one in succession. Learners differ in
        cost and seeds do not, so no part has more than one run of a learner above another part.
        """
        learners: dict[str, list[RunSpec]] = {}
        for spec in specs:
            learners.setdefault(repr(spec.strategy), []).append(spec)
        dealt = [spec for runs in learners.values() for spec in runs]
        mine = {spec.digest for spec in dealt[self.number - 1 :: self.count]}
        return [spec for spec in specs if spec.digest in mine]


WHOLE = Shard()


def parse(text: str) -> Shard:
    """`2/5` is part 2 of 5; `` is the whole.

    Raises:
        UserError: Anything else.
    """
    if not text:
        return WHOLE
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text.strip())
    shard = Shard(*map(int, match.groups())) if match else Shard(0, 0)
    if not 1 <= shard.number <= shard.count:
        raise UserError(
            f"--shard takes I/N with I from 1 to N, such as 2/5 for the second of 5, got {text!r}"
        )
    return shard
