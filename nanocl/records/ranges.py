"""Checks of single values: each error names the value, what was given and what would be right."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Sequence

from nanocl.records import UserError

# names of options in other packages, and what they are called here
SYNONYMS = {
    "learning_rate": "lr",
    "wd": "weight_decay",
    "l2": "weight_decay",
    "epsilon": "eps",
    "num_epochs": "epochs",
    "n_epochs": "epochs",
    "train_epochs": "epochs",
    "max_steps": "iterations",
    "bs": "batch_size",
    "train_mb_size": "batch_size",
    "eval_batch_size": "evaluation_batch_size",
    "eval_mb_size": "evaluation_batch_size",
    "mem_size": "memory_size",
    "buffer_size": "memory_size",
}


def number(
    name: str,
    value: float,
    least: float,
    most: float = math.inf,
    *,
    above: bool = False,
    below: bool = False,
) -> float:
    """Return `value` if it is finite and in [least, most]; `above` and `below` exclude an end.

    Raises:
        ValueError: It is not.
    """
    low = value > least if above else value >= least
    high = value < most if below else value <= most
    if not (low and high and math.isfinite(value)):
        left = "(" if above else "["
        right = ")" if below or most == math.inf else "]"
        raise ValueError(f"{name} must be in {left}{least:g}, {most:g}{right}, got {value!r}")
    return value


def at_least(name: str, value: int, least: int) -> int:
    """Return `value` if it is not below `least`.

    Raises:
        ValueError: It is.
    """
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
    return value


def share(name: str, value: float) -> float:
    """Return `value` if it is a share in [0, 1).

    Raises:
        ValueError: It is not.
    """
    if not 0 <= value < 1:
        raise ValueError(f"{name} must be in [0, 1), got {value}")
    return value


def one_of(
    name: str,
    value: str,
    choices: Sequence[str],
    error: type[ValueError] = ValueError,
) -> str:
    """Return `value` if it is one of `choices`.

    Raises:
        error: It is not; with the choices and, if one is close, the nearest.
    """
    if value not in choices:
        near = nearest(str(value), choices)
        hint = f"; did you mean {near!r}?" if near else ""
        raise error(f"{name} must be one of {', '.join(choices)}, got {value!r}{hint}")
    return value


def device_of(text: str) -> tuple[str, int | None]:
    """`cuda:1` is (`cuda`, 1); without a number it is all GPUs, None.

    Raises:
        UserError: Neither `auto`, `cpu`, `cuda` nor a GPU.
    """
    kind, colon, number = text.partition(":")
    is_number = kind == "cuda" and number.isdecimal()
    if kind not in ("auto", "cpu", "cuda") or (colon and not is_number):
        raise UserError(f"--device takes auto, cpu, cuda or a GPU such as cuda:1, got {text!r}")
    return kind, int(number) if colon else None


def nearest(name: str, names: Iterable[str]) -> str:
    """The most similar of `names`, or '' if none is similar."""
    return next(iter(difflib.get_close_matches(name, list(dict.fromkeys(names)), 1, 0.5)), "")


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """The end of an error about an unknown name: the nearest known name, or else all of them."""
    names = list(dict.fromkeys(names))
    synonym = SYNONYMS.get(name.lower().replace("-", "_"), "")
    near = synonym if synonym in names else nearest(name, names)
    if near:
        return f"; did you mean {near!r}?"
    return f"; known are {', '.join(names)}" if names else "; it has none"
