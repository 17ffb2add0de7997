"""Tuning as runs: the data that scores them, their specs, and their scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import suite
from nanocl.protocols.request import Request
from nanocl.records import RunResult, RunSpec, UserError
from nanocl.records.measuring import ONCE, Measuring
from nanocl.records.ranges import did_you_mean
from nanocl.reporting.columns import Column, Undefined
from nanocl.reporting.summaries import compute
from nanocl.tuning.search import Score
from nanocl.tuning.space import Setting

HELD_OUT = "0.1"  # share of each experience's training data
# the fewest tests that give a score, and accuracy right after training on each experience
MEASURING = {
    "average_accuracy": Measuring("last"),
    "average_incremental_accuracy": Measuring("seen"),
    "online_accuracy": Measuring("last", track_every=ONCE),
    "retention": Measuring("seen"),
}
Settings = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Method:
    """On which data settings are scored.

    Attributes:
        name: `validation-split`, `first-experiences` or `oracle`.
        words: What it does, for people.
        settings: Options of stream and training by part.
        is_fair: Whether the test data stays unseen.
    """

    name: str
    words: str
    settings: Settings
    is_fair: bool = True


METHODS = ("validation-split", "first-experiences:K", "oracle")
_HELD_OUT: Settings = {
    "stream": {"validation": HELD_OUT},
    "training": {"measured_on": "validation"},
}


def method(text: str) -> Method:
    """The method of this name.

    `validation-split` scores the whole stream on held-out training data. `first-experiences:K`
    trains and scores the first K experiences only, also on held-out data (Chaudhry et al., 2019,
    arXiv:1812.00420). `oracle` scores on the test data: it shows what tuning could reach at most
    and is no fair result.

    Raises:
        UserError: There is none.
    """
    name, colon, number = text.partition(":")
    if text == "validation-split":
        words = "10 % of the training data of each experience held out"
        return Method(text, words, _HELD_OUT)
    if text == "oracle":
        return Method(text, "the test data (oracle: no fair comparison)", {}, is_fair=False)
    if name == "first-experiences" and number.isdecimal() and int(number) > 1:
        training = {**_HELD_OUT["training"], "experiences": number}
        words = f"10 % of the training data of the first {number} experiences, held out"
        return Method(text, words, {**_HELD_OUT, "training": training})
    raise UserError(
        f"--select takes validation-split, first-experiences:K with K at least 2, or oracle, got "
        f"{text!r}{did_you_mean(name, [m.split(':')[0] for m in METHODS]) if not colon else ''}"
    )


def spec(
    request: Request,
    composition: str,
    setting: Setting,
    seed: int,
    how: Method,
    catalogue: Catalogue,
) -> RunSpec:
    """The run of one setting and tuning seed: the protocol's, with these options."""
    settings = {part: dict(options) for part, options in request.settings.items()}
    for part, options in how.settings.items():
        settings[part] = {**settings.get(part, {}), **options}
    for part, option, value in setting:
        settings.setdefault(part, {})[option] = repr(value)
    tuning = replace(
        request, strategies=(composition,), seeds=(seed,), settings=settings, tuned=False
    )
    run, *others = suite.specs(tuning, catalogue)
    if others:
        raise UserError(
            f"{request.stream} sweeps other options of {composition} than those to be tuned; give "
            "them one value with --set"
        )
    return replace(run, options_from="sweep")


def score(result: RunResult, column: Column, plasticity: Column) -> Score:
    """What a run reached; losses count as negative, so that higher is better.

    A run that left an experience unmastered counts as one that diverged: it would keep the most
    by learning nothing.
    """
    if result.status != "ok" or not all(entry["mastered"] for entry in result.mastery):
        return Score(None, None, result.cost.cpu_seconds)
    sign = 1 if result.measure == "accuracy" else -1
    return Score(
        _value(column, result, sign), _value(plasticity, result, sign), result.cost.cpu_seconds
    )


def _value(column: Column, result: RunResult, sign: int) -> float:
    try:
        return sign * compute(column, "", result, {})
    except Undefined as reason:
        raise UserError(
            f"{result.spec.strategy_name} cannot be tuned by {column.title}: {reason}"
        ) from reason
