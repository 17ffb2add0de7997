"""From the arguments of `nanocl.run` to the call that the command line makes of its own."""

from __future__ import annotations

import functools
import inspect
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, ParamSpec, TypeVar

from nanocl.api.naming import Name, Names
from nanocl.cli import values
from nanocl.protocols.request import Setting
from nanocl.records import Option, UserError
from nanocl.records.ranges import did_you_mean

P = ParamSpec("P")
Returned = TypeVar("Returned")
Learner = Name | tuple[Name, ...]
_OPTIONS = {  # of the command, and the arguments of `nanocl.run` that are the same
    "--stream": "stream",
    "--strategy": "strategies",
    "--seeds": "seeds",
    "--scenario": "scenario",
    "--tier": "tier",
    "--model": "model",
    "--set": "set",
    "--plugin": "plugin",
    "--data-root": "data_root",
    "--results": "results",
    "--workers": "workers",
    "--device": "device",
    "--evaluate": "evaluate",
    "--track-every": "track_every",
    "--log": "log",
}


def named(function: Callable[P, Returned]) -> Callable[P, Returned]:
    """The function, whose error about an unknown argument names the one that was meant."""
    names = [*inspect.signature(function).parameters]

    @functools.wraps(function)
    def checked(*args: P.args, **options: P.kwargs) -> Returned:
        for name in options:
            if name not in names:
                raise TypeError(
                    f"nanocl.{function.__name__} has no argument {name!r}"
                    f"{did_you_mean(name, names)}"
                )
        return function(*args, **options)

    return checked


def learners(given: Learner | Sequence[Learner], names: Names) -> tuple[str, ...]:
    """Compositions as text: `"adamw,er"`, one learner, or a list; a tuple in it is a composition.

    Raises:
        UserError: A class without a file of its own, or an empty text.
    """
    if isinstance(given, str) and not given.endswith(".py"):
        parts = filter(None, (part.strip() for part in given.split(",")))
        return tuple(map(names.composition, parts))
    listed = [given] if isinstance(given, str | Path | type | partial) else list(given)
    return tuple(_composition(learner, names) for learner in listed)


def _composition(learner: Learner, names: Names) -> str:
    parts = learner if isinstance(learner, tuple) else (learner,)
    text = "+".join(names.of("strategies", part) for part in parts)
    if not text:
        raise UserError("strategies takes names such as 'adamw' or 'ewc+adamw', got an empty one")
    return text.replace(" ", "")


def seeds(given: int | Iterable[int] | None) -> tuple[int, ...]:
    """3 is (0, 1, 2); [0, 4, 7] is (0, 4, 7); None is ().

    Raises:
        UserError: Anything else.
    """
    if given is None:
        return ()
    if isinstance(given, str | bool | float) or not _is_whole(given):
        raise UserError(
            f"seeds takes a number such as 3 or a list such as [0, 4, 7], got {given!r}"
        )
    if isinstance(given, Iterable):
        listed = [int(seed) for seed in given]
        return values.seeds("".join(f"{seed}," for seed in listed) or ",")
    return values.seeds(str(int(given)))


def _is_whole(given: Any) -> bool:
    listed = list(given) if isinstance(given, Iterable) else [given]
    return all(hasattr(one, "__index__") and not isinstance(one, bool) for one in listed)


def settings(
    given: Mapping[str, Setting],
    configured: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> dict[str, dict[str, Setting]]:
    """`{"adamw.lr": 1e-3}` is `{"adamw": {"lr": 1e-3}}`; it wins over what is `configured`.

    Raises:
        UserError: A key without a part, or a value that is not plain.
    """
    by_part: dict[str, dict[str, Setting]] = {}
    for part, options in configured.items():
        by_part[part] = {name: _setting(f"{part}.{name}", value) for name, value in options.items()}
    for target, value in given.items():
        part, dot, option = str(target).rpartition(".")
        if not (dot and part and option):
            raise UserError(
                f"set takes 'part.option', such as {{'nanoadam.lr': 2e-3}}, got {target!r}"
            )
        if part == "probe":
            raise UserError(
                "probes are for the command, python -m nanocl.run --set probe.magnitude=true: they "
                "give figures and no results"
            )
        by_part.setdefault(part.strip(), {})[option.strip()] = _setting(target, value)
    return by_part


def _setting(target: str, value: Any) -> Setting:
    """One value, or several for a sweep."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return tuple(_plain(target, entry) for entry in value)
    return _plain(target, value)


def _plain(target: str, value: Any) -> Option:
    """The value without numpy's types; a number that is not finite is left to the option's check.

    Raises:
        UserError: It is a list or another object.
    """
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()
    if isinstance(value, Path):
        value = str(value)
    if value is not None and not isinstance(value, bool | int | float | str):
        raise UserError(
            f"set[{target!r}] takes a number, a text, True, False or None, or for strategies a "
            f"list of these, got {value!r}"
        )
    return value


def loggers(given: str | Iterable[str]) -> tuple[str, ...]:
    """`"csv,wandb"`, or a list of names.

    Raises:
        UserError: There is no such logger.
    """
    if isinstance(given, str):
        return values.loggers(given.split(",") if given else ())
    return values.loggers(map(str, given) if isinstance(given, Iterable) else [str(given)])


def whole(name: str, value: int) -> int:
    """A number that is at least 0.

    Raises:
        UserError: It is not.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__") or not 0 <= value < math.inf:
        raise UserError(f"{name} must be a whole number of at least 0, got {value!r}")
    return int(value)


def in_python(text: str) -> str:
    """Text of the command with arguments of `nanocl.run` for its options: `seeds=10`."""

    def argument(match: re.Match[str]) -> str:
        option, number = match.groups(default="")
        name = _OPTIONS.get(option)
        return f"{name}={number}" if name and number else name or match[0]

    return re.sub(r"(?<!\w)(--[a-z]+(?:-[a-z]+)*)(?: (\d+)\b)?", argument, text).replace(
        "more rows: --full", "more rows in table()"
    )
