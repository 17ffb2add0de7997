"""An arm is a learner with a grid of settings; two arms are compared if their grids are alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nanocl.records import Option, Part

RATE = "lr"
DENSE_RATE = "dense_lr"  # of head and norms; None: that of the backbone
# how the rate of the head relates to that of the backbone
TIED = "tied"  # one rate for both
FREE = "free"  # swept independently
FIXED = "fixed"  # one value, not swept
ALONE = "alone"  # the backbone is not trained
ONCE = 10**6  # steps between selections from which on there is one alone
# options without a value that suits all data; one value is no fair rival
TUNED = {"strength": "strength of the penalty"}
# options that only learners with adapters have together: LoRA, PEFT's LoRA
ADAPTERS = (("rank", "alpha"), ("r", "lora_alpha"))


@dataclass(frozen=True)
class Grid:
    """The settings of an arm.

    Attributes:
        learner: Its strategies; NanoAdam by its selection, AdamW with a second rate as `adamw`.
        options: (Place of the part, option) to the distinct values in the grid.
        missing: Runs of the seeds that have any, with settings of the protocol, without a record.
    """

    learner: str
    options: Mapping[tuple[int, str], tuple[Option, ...]]
    missing: int = 0

    def values(self, name: str) -> tuple[Option, ...]:
        """The distinct values of an option, of the last part that has it; empty without it."""
        of_parts = [values for (_, option), values in self.options.items() if option == name]
        return of_parts[-1] if of_parts else ()

    @property
    def head(self) -> str:
        """How the head's rate relates to that of the backbone."""
        rates = self.values(DENSE_RATE)
        if self.values("density") == (0.0,):
            return ALONE
        if all(rate is None for rate in rates):
            return TIED
        return FREE if len(rates) > 1 else FIXED


def grid(runs: Sequence[Sequence[Part]], missing: int = 0) -> Grid:
    """The grid of runs of one learner, given by their strategies; `missing` as in `Grid`."""
    options: dict[tuple[int, str], tuple[Option, ...]] = {}
    for place, part in enumerate(runs[0]):
        for name in part.options:
            values = [run[place].options.get(name) for run in runs]
            options[place, name] = tuple(dict.fromkeys(values))
    return Grid(learner_name(runs[0]), options, missing)


def learner_name(parts: Sequence[Part]) -> str:
    """Name of a learner, whatever it is called in the protocol."""
    names = []
    for part in parts:
        name = part.name.removesuffix("-dense")
        if part.name == "nanoadam" and not part.options["density"]:
            name = "head+norms"
        elif part.name == "nanoadam" and part.options["select"] != "small":
            name = _rule(part)
        names.append(name)
    return "+".join(names)


def _rule(part: Part) -> str:
    """How NanoAdam selects; the largest weights selected once are another rule (Super-Tuning)."""
    rule, interval = str(part.options["select"]), part.options["mask_interval"]
    is_static = rule == "large" and isinstance(interval, int) and interval >= ONCE
    return f"static-{rule}" if is_static else rule


def unlike(first: Grid, control: Grid, *, same_head: bool = True) -> str:
    """Why the comparison would not be fair, or an empty text.

    Args:
        first: The arm that the claim is about.
        control: The arm that it is compared with.
        same_head: Whether both arms must treat the rate of the head alike; False where that is what
            is compared.
    """
    reasons = [*_untuned(control, "the control's"), *_untuned(first, f"{first.learner}'s")]
    heads = {first.head, control.head}
    if same_head and not reasons and heads == {TIED, FREE}:
        free, tied = sorted((first, control), key=lambda one: one.head)
        reasons.append(
            f"the rate of the dense parameters was swept in {free.learner} and tied to lr in "
            f"{tied.learner}"
        )
    reasons += _unlike_masks(first, control)
    return "; ".join(reasons)


def _untuned(arm: Grid, whose: str) -> list[str]:
    """The options of an arm that needed a sweep and got none."""
    reasons = []
    if arm.missing:
        count = "1 run" if arm.missing == 1 else f"{arm.missing} runs"
        reasons.append(f"not measured yet: {count} of {whose} sweep")
    if arm.head == FIXED:
        reasons.append(f"{whose} rate of the dense parameters was not swept")
    if arm.head == TIED and any(all(map(arm.values, names)) for names in ADAPTERS):
        reasons.append(f"{whose} rate of the head is tied to that of its adapters")
    for name, words in TUNED.items():
        if len(arm.values(name)) == 1:
            reasons.append(f"{whose} {words} was not swept")
    return reasons


def _unlike_masks(first: Grid, control: Grid) -> list[str]:
    """Differences between two arms that both train a share of the entries."""
    shares = [_shares(arm) for arm in (first, control)]
    if not all(shares):
        return []
    reasons = []
    if shares[0] != shares[1]:
        ours, theirs = map(_percent, shares)
        reasons.append(f"{first.learner} trains {ours} of the entries, {control.learner} {theirs}")
    dense = [arm.values("dense") or ("none",) for arm in (first, control)]
    if dense[0] != dense[1]:
        reasons.append(
            f"trained densely are {_text(dense[0])} in {first.learner}, {_text(dense[1])} in "
            f"{control.learner}"
        )
    return reasons


def _shares(arm: Grid) -> list[float]:
    """The densities of an arm, ascending; empty for one that trains everything or no backbone."""
    values = [value for value in arm.values("density") if isinstance(value, float)]
    return sorted(value for value in values if 0 < value < 1)


def _percent(shares: Sequence[float]) -> str:
    return "/".join(f"{100 * share:g} %" for share in shares)


def _text(values: Sequence[Option]) -> str:
    return "/".join(map(str, values))
