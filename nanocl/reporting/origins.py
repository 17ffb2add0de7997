"""Where the options of rows come from, and whether records share their software and machine."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence

from nanocl.records import Environment, Summary

# what decides whether a number can be repeated bit for bit
FACTS: Mapping[str, Callable[[Environment], str]] = {
    "versions of nanocl": lambda environment: environment.nanocl,
    "versions of torch": lambda environment: environment.torch,
    "devices": lambda environment: environment.device,
    "types of CPU": lambda environment: environment.processor,
}
UNTUNED = {"default": "default options", "protocol": "options that the protocol's author chose"}
SHOWN_NAMES = 80  # characters of the names of rows


def untuned(summaries: Sequence[Summary]) -> Iterator[str]:
    """A line that names the rows with default options, one for those of the protocol's author."""
    for origin, options in UNTUNED.items():
        names = [row.strategy for row in summaries if origin in row.options_from.split("/")]
        if names:
            shown = ", ".join(dict.fromkeys(names))
            yield f"untuned: {shown} {'runs' if len(set(names)) == 1 else 'run'} with {options}"


def mixed(summaries: Sequence[Summary]) -> Iterator[str]:
    """A note for each fact that differs within a row or between rows; nothing where all agree."""
    for name, fact in FACTS.items():
        rows: dict[tuple[str, ...], list[str]] = {}
        for row in summaries:
            values = tuple(sorted({fact(run.environment) for run in row.results}))
            rows.setdefault(values, []).append(row.strategy)
        if len(rows) > 1 or any(len(values) > 1 for values in rows):
            parts = [_part(values, rows[values]) for values in sorted(rows)]
            yield (
                f"different {name}: {'; '.join(parts)} (numbers repeat bit for bit only with the "
                "same versions, device and type of CPU)"
            )


def _part(values: tuple[str, ...], rows: Sequence[str]) -> str:
    names = textwrap.shorten(", ".join(dict.fromkeys(rows)), SHOWN_NAMES, placeholder=" ...")
    mix = " mixed within a row" if len(values) > 1 else ""
    return f"{' and '.join(values)}{mix} in {names}"
