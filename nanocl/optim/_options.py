"""Checks of options; an error gives the option's name, its value and what would be right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

DECAY_SCOPES = ("selected", "all")
ROUNDINGS = ("nearest", "stochastic")
STATE_DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float64": torch.float64,
}


def check_number(
    name: str,
    value: Any,
    low: float,
    high: float = math.inf,
    *,
    open_low: bool = False,
    open_high: bool = False,
) -> None:
    """Raise ValueError unless `value` is a number in the range; infinity and NaN never are.

    A tensor of one entry counts as a number. A bool or a string does not: it would fail in a step.
    """
    # an infinite end is open: no option may be infinite
    open_high = open_high or math.isinf(high)
    try:
        number = math.nan if isinstance(value, bool | str | bytes) else float(value)
    except (TypeError, ValueError, RuntimeError):  # the last for tensors of several entries
        number = math.nan
    above = number > low if open_low else number >= low
    below = number < high if open_high else number <= high
    if not (above and below):
        bounds = f"{'(' if open_low else '['}{low:g}, {high:g}{')' if open_high else ']'}"
        raise ValueError(f"{name} must be a number in {bounds}, got {value!r}")


def check_integer(
    name: str,
    value: Any,
    low: int,
    high: int | None = None,
) -> None:
    """Raise ValueError unless `value` is an int in [low, high]."""
    # in Python, True is an int
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    if not is_integer or value < low or (high is not None and value > high):
        bounds = f"in [{low}, {high}]" if high is not None else f"of at least {low}"
        raise ValueError(f"{name} must be an integer {bounds}, got {value!r}")


def check_choice(name: str, value: Any, choices: Sequence[Any]) -> None:
    """Raise ValueError unless `value` is one of `choices` and of their types: 1 is not True."""
    if not isinstance(value, tuple(map(type, choices))) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(str, choices))}, got {value!r}")


def check_adam(options: dict[str, Any]) -> None:
    """Check the options of every Adam: lr, betas, eps, weight_decay."""
    check_number("lr", options["lr"], 0.0)
    if not isinstance(options["betas"], tuple | list) or len(options["betas"]) != 2:
        raise ValueError(f"betas must be two numbers in [0, 1), got {options['betas']!r}")
    for i, beta in enumerate(options["betas"]):
        check_number(f"betas[{i}]", beta, 0.0, 1.0, open_high=True)
    check_number("eps", options["eps"], 0.0)
    check_number("weight_decay", options["weight_decay"], 0.0)


def check_rounding(options: dict[str, Any]) -> None:
    """Check the options of a state that may be rounded: weight_rounding, seed, state_dtype."""
    check_choice("weight_rounding", options["weight_rounding"], ROUNDINGS)
    check_integer("seed", options["seed"], 0)
    as_dtype("state_dtype", options["state_dtype"])


def check_masked(options: dict[str, Any]) -> None:
    """Check the options of every AdamW on a selection."""
    check_adam(options)
    check_number("density", options["density"], 0.0, 1.0)
    if options["chunk_size"] is not None:
        check_integer("chunk_size", options["chunk_size"], 1)
    check_choice("decay_scope", options["decay_scope"], DECAY_SCOPES)
    check_choice("fused", options["fused"], (None, True, False))
    check_rounding(options)


def as_dtype(name: str, value: torch.dtype | str | None) -> torch.dtype | None:
    """A dtype of optimizer state, from itself or its name; None is the optimizer's own choice."""
    dtype = STATE_DTYPES.get(value) if isinstance(value, str) else value
    if (dtype is None and value is not None) or dtype not in (None, *STATE_DTYPES.values()):
        raise ValueError(f"{name} must be one of None, {', '.join(STATE_DTYPES)}, got {value!r}")
    return dtype
