"""An optimizer's options read from its signature, and its arguments made from options."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Mapping
from typing import Any

from torch.optim import Optimizer

from nanocl.plugins.signature import Options, numbered
from nanocl.records import Option

Given = Mapping[str, Option]


def required(optimizer: type[Optimizer]) -> set[str]:
    """Arguments without default, parameters and learning rate left out."""
    named = [a for a in _arguments(optimizer) if a.kind not in (a.VAR_KEYWORD, a.VAR_POSITIONAL)]
    return {a.name for a in named if a.default is a.empty} - {"params", "lr"}


def signature_options(optimizer: type[Optimizer]) -> Options:
    """Arguments with plain types; a tuple such as `betas` becomes `beta1`, `beta2`.

    What has no plain type (functions, data types, infinities) is left at its default.
    """
    options: Options = {}
    for argument in _arguments(optimizer):
        text, default = _annotation(argument), argument.default
        if argument.name == "lr" and default is argument.empty:
            options["lr"] = (("None", "float"), None)
        elif isinstance(default, tuple):
            entry = re.sub("tuple|list", "", text)
            options |= {
                name: _types(entry, value)
                for name, value in zip(_names(argument), default, strict=True)
            }
        else:
            options[argument.name] = _types(text, default)
    return {name: found for name, found in options.items() if found[0]}


def arguments_of(optimizer: type[Optimizer], options: Given) -> dict[str, Any]:
    """The inverse of `signature_options`: keyword arguments from options.

    Raises:
        ValueError: The optimizer has no default learning rate and none is given.
    """
    arguments: dict[str, Any] = {}
    for argument in _arguments(optimizer):
        several = isinstance(argument.default, tuple)
        names = _names(argument) if several else [argument.name]
        if all(name in options for name in names):
            values = [options[name] for name in names]
            arguments[argument.name] = tuple(values) if several else values[0]
        if argument.name == "lr" and argument.default is argument.empty and options["lr"] is None:
            raise ValueError(f"lr must be given, {optimizer.__name__} has no default, got None")
    return arguments


def _arguments(optimizer: type[Optimizer]) -> list[inspect.Parameter]:
    return list(inspect.signature(optimizer).parameters.values())


def _names(argument: inspect.Parameter) -> list[str]:
    return numbered(argument.name, len(argument.default))


def _annotation(argument: inspect.Parameter) -> str:
    if argument.annotation is argument.empty:
        return ""
    return (
        argument.annotation.__name__
        if isinstance(argument.annotation, type)
        else str(argument.annotation)
    )


def _types(annotation: str, default: Any) -> tuple[tuple[str, ...], Option]:
    named = [
        name for name in ("bool", "int", "float", "str") if re.search(rf"\b{name}\b", annotation)
    ]
    none = ("None",) if default is None or "None" in annotation or "Optional" in annotation else ()
    if default is None:
        nested = re.search("callable|tuple|list|dict|dtype|sequence", annotation, re.IGNORECASE)
        return ((*none, *named) if named and not nested else (), None)
    if type(default) is int and "float" in named:
        return (*none, "float"), float(default)
    if type(default) is int and not annotation:
        return ("int", "float"), default  # in a signature without types, `weight_decay=0` means 0.0
    if type(default) not in (bool, int, float, str) or (
        type(default) is float and not math.isfinite(default)
    ):
        return (), None
    return (*none, type(default).__name__), default
