"""The claims on the mechanism, judged from probes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nanocl.studies.claims import PAPER, Claim
from nanocl.studies.mechanism.groups import Group
from nanocl.studies.rules import across

# The paper's optimizer. Strategies of a stream share their seeds, so only one may be pooled.
PROBED = "adamw"
FLOOR = 1e-3  # smaller overlaps count as this one, so that an overlap of 0 has a logarithm
_RULE = (
    "largest 10 % of gradients in the smallest 10 % of weights, relative to independence, mean "
    "over layers and looks, {}; by the rule of the sweeps, with streams in the place of protocols"
)


def probe_claims(probed: Sequence[Group]) -> list[Claim]:
    """Two claims: while finetuning, and while training from scratch."""
    return [
        _judged(
            probed,
            "pretrained",
            "higher",
            "while finetuning, large gradients sit at small weights",
            f"{PAPER}, Fig. 1 and Table 1 (ViT on CIFAR-10: r from 0.009 to 0.20); `even the "
            "smallest 10 % of weights do not cover the top 0.001 % gradients`",
        ),
        _judged(
            probed,
            "from scratch",
            "not higher",
            "while training from scratch, large gradients do not prefer small weights",
            f"{PAPER}, Fig. 1",
        ),
    ]


def _judged(
    probed: Sequence[Group],
    start: str,
    wanted: str,
    text: str,
    source: str,
) -> Claim:
    rows = {}
    seeds = []
    for group in probed:
        if group.start == start and group.spec.strategy_name == PROBED:
            overlaps = group.overlaps.values()
            rows[group.title] = [math.log(max(overlap, FLOOR)) for overlap in overlaps]
            seeds.append(str(len(group.seeds)))
    findings = across("overlap relative to independence", rows, wanted, ratio=True)
    ran = f"probes of {', '.join(rows)}; {'/'.join(seeds)} seeds; see studies/mechanism"
    return Claim(
        text,
        source,
        ran if rows else "nothing yet",
        _RULE.format(wanted),
        {title: (finding,) for title, finding in findings.items()},
    )
