"""What a protocol file may say; the first mistake is named with its file and key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nanocl.protocols.sweeps import arms_rule, sweep_rule
from nanocl.records import SCENARIOS, TIERS, UserError, measuring
from nanocl.records.ranges import did_you_mean

MOST_SEEDS = 1000
PLAIN = (bool, int, float, str)
SCORES = (  # of a board
    "average_accuracy",
    "average_incremental_accuracy",
    "online_accuracy",
    "retention",
)
PUBLISHED = ("ACC", "retention", "final_retention", "relearning_ratio")  # columns
SPREADS = ("standard deviation", "standard error")
SECTIONS = ("tier", "for", "published", "study")  # a study checks its own table


def check_protocol(values: Mapping[str, Any], file: str) -> None:
    """Check a whole protocol as it was read from its file.

    Raises:
        UserError: The first mistake, with file, key, the value and what would be right.
    """
    _level(values, file, "", (*RULES, *SECTIONS))
    if not isinstance(values.get("stream", {}).get("family"), str):
        raise UserError(
            f'{file}: [stream] needs a family, such as family = "split", '
            f"got {values.get('stream', {}).get('family', 'none')!r}"
        )
    for name, tier in _tables(values, "tier", file, "", TIERS):
        _level(tier, file, f"tier.{name}.", (*RULES, "for", "study"))
        _scenarios(tier, file, f"tier.{name}.")
    _scenarios(values, file, "")
    _published(values.get("published", []), file)


def check_baselines(values: Mapping[str, Any], composition: str, file: str) -> None:
    """Check the tuned options of a composition or arm as they were read from their file.

    Raises:
        UserError: The first mistake, with file, key, the value and what would be right.
    """
    _known(values, ("baseline",), file, "")
    entries = values.get("baseline")
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise UserError(f"{file}: baseline must be tables [[baseline]], got {entries!r}")
    for entry in entries:
        _known(entry, BASELINE, file, "baseline.")
        for key, rule in BASELINE.items():
            right = rule(entry.get(key))
            if right:
                raise UserError(f"{file}: baseline.{key} must be {right}, got {entry.get(key)!r}")
        names = entry.get("strategy", composition).split("+")
        parts = dict.fromkeys((*names, *(name.split(":")[0] for name in names)))
        _known(entry["options"], parts, file, "baseline.options.")


def _known(values: Iterable[str], allowed: Iterable[str], file: str, place: str) -> None:
    for key in values:
        if key not in allowed:
            raise UserError(f"{file}: unknown key {place + key!r}{did_you_mean(key, allowed)}")


def _scenarios(values: Mapping[str, Any], file: str, place: str) -> None:
    for name, special in _tables(values, "for", file, place, SCENARIOS):
        _level(special, file, f"{place}for.{name}.", RULES)


def _level(
    values: Mapping[str, Any],
    file: str,
    place: str,
    allowed: Iterable[str],
) -> None:
    """The keys at one place of the file."""
    _known(values, allowed, file, place)
    for key, value in values.items():
        if key in RULES:
            right = RULES[key](value)
            if right:
                raise UserError(f"{file}: {place}{key} must be {right}, got {value!r}")


def _tables(
    values: Mapping[str, Any],
    key: str,
    file: str,
    place: str,
    allowed: Iterable[str],
) -> Iterable[tuple[str, Mapping[str, Any]]]:
    tables = values.get(key, {})
    if not isinstance(tables, Mapping) or not all(
        isinstance(table, Mapping) for table in tables.values()
    ):
        example = f"[{place}{key}.{next(iter(allowed))}]"
        raise UserError(f"{file}: {place}{key} must be tables such as {example}, got {tables!r}")
    for name in tables:
        if name not in allowed:
            raise UserError(
                f"{file}: unknown key {f'{place}{key}.{name}'!r}{did_you_mean(name, allowed)}"
            )
    return tables.items()


def _published(blocks: Any, file: str) -> None:
    right = (
        "[[published]] with source, tier, scenario, spread (standard deviation or standard error) "
        f"and one or more of {', '.join(PUBLISHED)} = {{ strategy = [mean, spread] }}"
    )
    if not isinstance(blocks, list) or not all(isinstance(block, Mapping) for block in blocks):
        raise UserError(f"{file}: published must be {right}, got {blocks!r}")
    for block in blocks:
        scores = [block[name] for name in PUBLISHED if name in block]
        if (
            not scores
            or not all(map(_are_scores, scores))
            or not isinstance(block.get("source"), str)
            or block.get("tier") not in TIERS
            or block.get("scenario") not in SCENARIOS
            or block.get("spread", SPREADS[0]) not in SPREADS
            or not set(block) <= {"source", "tier", "scenario", "spread", *PUBLISHED}
        ):
            raise UserError(f"{file}: published must be {right}, got {dict(block)!r}")


def _are_scores(scores: Any) -> bool:
    return isinstance(scores, Mapping) and all(map(_is_pair, scores.values()))


def _is_pair(pair: Any) -> bool:
    if not isinstance(pair, list) or len(pair) != 2:
        return False
    return all(type(number) in (int, float) for number in pair)


def _text(value: Any) -> str:
    return "" if isinstance(value, str) else "text"


def _texts(value: Any) -> str:
    fits = (
        isinstance(value, list)
        and value
        and all(isinstance(item, str) and item.strip() for item in value)
    )
    return "" if fits else 'a list of names, such as ["adamw", "ewc+sgd"]'


def _tier(value: Any) -> str:
    return "" if value in TIERS else f"one of {', '.join(TIERS)}"


def _scenario(value: Any) -> str:
    return "" if value in SCENARIOS else f"one of {', '.join(SCENARIOS)}"


def _seeds(value: Any) -> str:
    fits = type(value) is int and 1 <= value <= MOST_SEEDS
    return "" if fits else f"how many seeds, from 1 to {MOST_SEEDS}"


def _evaluate(value: Any) -> str:
    return "" if measuring.is_mode(value) else "all, seen, last or every:K with K at least 1"


def _score(value: Any) -> str:
    return "" if value in SCORES else f"one of {', '.join(SCORES)}"


def _options(value: Any) -> str:
    fits = isinstance(value, Mapping) and all(isinstance(item, PLAIN) for item in value.values())
    return "" if fits else "a table of plain values (numbers, text, true, false)"


def _parts(value: Any) -> str:
    fits = isinstance(value, Mapping) and not any(_options(item) for item in value.values())
    return "" if fits else "a table of options for each part, such as [options.sgd] with lr = 0.1"


def _optional_text(value: Any) -> str:
    return "" if value is None else _text(value)


def _tuning(value: Any) -> str:
    seeds = value.get("seeds", []) if isinstance(value, Mapping) else None
    fits = isinstance(seeds, list) and all(type(seed) is int for seed in seeds)
    words = "a table of what was tried, as python -m nanocl.tune writes it"
    return "" if fits or value is None else words


RULES: dict[str, Callable[[Any], str]] = {
    "title": _text,
    "aliases": _texts,
    "source": _text,
    "scenario": _scenario,
    "model": _text,
    "strategies": _texts,
    "seeds": _seeds,
    "evaluate": _evaluate,
    "score": _score,
    "stream": _options,
    "training": _options,
    "options": _parts,
    "arm": arms_rule,
    "sweep": sweep_rule,
}

BASELINE: dict[str, Callable[[Any], str]] = {
    "tier": _tier,
    "scenario": _scenario,
    "how": _text,
    "strategy": _optional_text,
    "options": _parts,
    "tuning": _tuning,
}
