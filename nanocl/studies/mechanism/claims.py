"""The claims on the mechanism, with the quantity of each in every group of probes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nanocl.studies.claims import FACTOR, PAPER, Claim, Quantity, Setting, ratio
from nanocl.studies.mechanism.groups import Group

# The paper's optimizer. Strategies of a stream share their seeds, so only one may be pooled.
PROBED = "adamw"
FLOOR = 1e-3  # smaller overlaps count as this one, so that an overlap of 0 has a logarithm
FAMILY = "protocols"  # as the runs that were probed
OVERLAP = ratio(
    "share of the largest 10 % of gradients in the smallest 10 % of weights, over independence "
    "(mean over layers and looks)"
)
NO_OVERLAP = Quantity(f"{FACTOR:g} / that share over independence", ratio=True)


def probe_claims(probed: Sequence[Group]) -> list[Claim]:
    """Two claims: while finetuning, and while training from scratch."""
    finetuned = _of(probed, "pretrained")
    scratch = _of(probed, "from scratch")
    overlaps = [Setting(group.title, _logarithms(group)) for group in finetuned]
    most = math.log(FACTOR)
    below = []
    for group in scratch:
        rest = {seed: most - value for seed, value in _logarithms(group).items()}
        below.append(Setting(group.title, rest))
    return [
        Claim(
            "while finetuning, large gradients sit at small weights",
            f"{PAPER}, Fig. 1 and Table 1 (ViT on CIFAR-10: r from 0.009 to 0.20); `even the "
            "smallest 10 % of weights do not cover the top 0.001 % gradients`",
            _ran(finetuned),
            OVERLAP,
            overlaps,
            family=FAMILY,
        ),
        Claim(
            "while training from scratch, large gradients do not prefer small weights by more than "
            f"a factor of {FACTOR:g}",
            f"{PAPER}, Fig. 1",
            _ran(scratch),
            NO_OVERLAP,
            below,
            family=FAMILY,
        ),
    ]


def _of(probed: Sequence[Group], start: str) -> list[Group]:
    return [
        group for group in probed if group.start == start and group.spec.strategy_name == PROBED
    ]


def _logarithms(group: Group) -> dict[int, float]:
    return {seed: math.log(max(overlap, FLOOR)) for seed, overlap in group.overlaps.items()}


def _ran(groups: Sequence[Group]) -> str:
    """The probes with their seeds, and the networks that these started from."""
    if not groups:
        return "nothing yet"
    models = [group.spec.model for group in groups]
    networks = len({(model.name, model.weights, model.pretrained_on) for model in models})
    starts = "one network for each seed"
    if groups[0].start == "pretrained":
        starts = f"{networks} pretrained network{'s' if networks > 1 else ''} for all seeds"
    titles = ", ".join(f"{group.title} (seeds: {len(group.seeds)})" for group in groups)
    return f"probes of {titles}; {starts}; see studies/mechanism"
