"""What the probes say about the mechanism behind the claims."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nanocl.studies.claims import Claim, across
from nanocl.studies.mechanism.probes import Group

PAPER = "Zhou et al., 2025, arXiv:2506.21374"
# as the paper; the strategies of a stream share their seeds, so that only one of them may be pooled
PROBED = "adamw"
_RULE = (
    "largest 10 % of gradients in the smallest 10 % of weights, over chance, mean over layers and looks, {}; by "
    "the rule of the sweeps, with streams in the place of protocols"
)


def claims(found: Sequence[Group]) -> list[Claim]:
    """Two rows: while finetuning, and from scratch."""
    return [
        _claim(
            found,
            "pretrained",
            "higher",
            "while finetuning, large gradients sit at small weights",
            f"{PAPER}, Fig. 1 and Table 1 (ViT on CIFAR-10: r from 0.009 to 0.20); `even the smallest 10 % of "
            "weights do not cover the top 0.001 % gradients`",
        ),
        _claim(
            found,
            "from scratch",
            "not higher",
            "while training from scratch, large gradients do not prefer small weights",
            f"{PAPER}, Fig. 1",
        ),
    ]


def _claim(found: Sequence[Group], start: str, wanted: str, text: str, source: str) -> Claim:
    groups = [
        group for group in found if group.start == start and group.spec.strategy_name == PROBED
    ]
    rows = {
        group.title: [math.log(max(value, 1e-3)) for value in group.overlaps.values()]
        for group in groups
    }
    findings = across("overlap over chance", rows, wanted, ratio=True) if rows else {}
    seeds = "/".join(str(len(group.seeds)) for group in groups)
    ran = (
        f"probes of {', '.join(rows)}; {seeds} seeds; see studies/mechanism"
        if rows
        else "nothing yet"
    )
    return Claim(
        text,
        source,
        ran,
        _RULE.format(wanted),
        {title: (finding,) for title, finding in findings.items()},
    )
