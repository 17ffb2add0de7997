"""Values of command-line arguments: from text to plain values."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from nanocl.plugins.named import references
from nanocl.protocols.validation import MOST_SEEDS
from nanocl.records import UserError
from nanocl.records.curves import LOGGERS


def seeds(text: str) -> tuple[int, ...]:
    """`3` is (0, 1, 2); `0,4,7` is (0, 4, 7); `` is ().

    Raises:
        UserError: Anything else, or more than MOST_SEEDS.
    """
    if not text:
        return ()
    try:
        values = [int(item) for item in text.split(",") if item.strip()]
    except ValueError:
        values = []
    is_count = "," not in text
    count = values[0] if is_count and values else len(values)
    if count > MOST_SEEDS:
        raise UserError(
            f"--seeds takes at most {MOST_SEEDS} seeds, got {count}; a single seed is written "
            "with a comma, such as 4711,"
        )
    is_right = values and min(values) >= 0 and max(values) < 2**31 and count > 0
    if not is_right:
        raise UserError(
            "--seeds takes a number of seeds such as 3, or a list below 2^31 such as 0,4,7, "
            f"got {text!r}"
        )
    if is_count:
        return tuple(range(count))
    return tuple(dict.fromkeys(values))


def settings(texts: Sequence[str]) -> dict[str, dict[str, str]]:
    """`sgd.lr=0.1` is {"sgd": {"lr": "0.1"}}.

    Raises:
        UserError: Anything else.
    """
    by_part: dict[str, dict[str, str]] = {}
    for text in texts:
        target, equals, value = text.partition("=")
        part, dot, option = target.rpartition(".")
        if not (equals and dot and part and option):
            raise UserError(
                f"--set takes PART.OPTION=VALUE, such as nanoadam.lr=2e-3, got {text!r}"
            )
        by_part.setdefault(part.strip(), {})[option.strip()] = value.strip()
    return by_part


def probing(options: Mapping[str, str]) -> bool:
    """Whether `--set probe.magnitude=true` was given.

    Raises:
        UserError: Another option of the probe.
    """
    value = options.get("magnitude", "false").lower()
    if set(options) - {"magnitude"} or value not in ("true", "false"):
        raise UserError(
            f"the probe has one option, probe.magnitude=true or false, got {dict(options)}"
        )
    return value == "true"


def strategies(text: str) -> tuple[str, ...]:
    """The compositions between commas.

    Raises:
        UserError: There is none between commas.
    """
    strategies = tuple(filter(None, text.replace(" ", "").split(",")))
    if text and not strategies:
        raise UserError(
            f"--strategy takes names separated by commas, as in adamw,ewc+adamw; got {text!r}"
        )
    return strategies


def by_name(
    settings: Mapping[str, Mapping[str, str]], known: Collection[str]
) -> dict[str, dict[str, str]]:
    """The settings with the names of parts: `lion.py:Lion` is the part `lion:Lion`."""
    named: dict[str, dict[str, str]] = {}
    for part, options in settings.items():
        named.setdefault(references(part, known)[0], {}).update(options)
    return named


def loggers(names: Iterable[str]) -> tuple[str, ...]:
    """The names of loggers, each once.

    Raises:
        UserError: There is no such logger.
    """
    stripped = [name.strip() for name in names]
    for name in stripped:
        if name not in LOGGERS:
            raise UserError(f"--log takes {', '.join(LOGGERS)} or several of them, got {name!r}")
    return tuple(dict.fromkeys(stripped))
