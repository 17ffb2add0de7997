"""An optimizer's options read from its signature, and its arguments made from options."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Mapping
from typing import Any

from nanocl.plugins.signature import Options, numbered
from nanocl.records import Option

OptionValues = Mapping[str, Option]
TYPES = ("bool", "int", "float", "str")


def required(optimizer: type) -> set[str]:
    """Arguments without default, parameters and learning rate left out."""
    named = [a for a in _arguments(optimizer) if a.kind not in (a.VAR_KEYWORD, a.VAR_POSITIONAL)]
    return {a.name for a in named if a.default is a.empty} - {"params", "lr"}


def signature_options(optimizer: type) -> Options:
    """Arguments of plain types; a tuple such as `betas` becomes `beta1`, `beta2`.

    An argument of another type (a function, a dtype, infinity) is no option: it keeps its default.
    """
    options: Options = {}
    for argument in _arguments(optimizer):
        annotation = _annotation(argument)
        default = argument.default
        if argument.name == "lr" and default is argument.empty:
            options["lr"] = (("None", "float"), None)
        elif isinstance(default, tuple):
            entry = re.sub("tuple|list", "", annotation)
            names = zip(_names(argument), default, strict=True)
            options |= {name: _types(entry, value) for name, value in names}
        else:
            options[argument.name] = _types(annotation, default)
    return {name: (types, default) for name, (types, default) in options.items() if types}


def arguments_of(optimizer: type, options: OptionValues) -> dict[str, Any]:
    """The inverse of `signature_options`: keyword arguments from options.

    Raises:
        ValueError: The optimizer has no default learning rate and the options give none.
    """
    arguments: dict[str, Any] = {}
    for argument in _arguments(optimizer):
        several = isinstance(argument.default, tuple)
        names = _names(argument) if several else [argument.name]
        if set(names) <= set(options):
            values = [options[name] for name in names]
            arguments[argument.name] = tuple(values) if several else values[0]
        needs_rate = argument.name == "lr" and argument.default is argument.empty
        if needs_rate and options.get("lr") is None:
            raise ValueError(f"lr must be given, {optimizer.__name__} has no default, got None")
    return arguments


def _arguments(optimizer: type) -> list[inspect.Parameter]:
    return list(inspect.signature(optimizer).parameters.values())


def _names(argument: inspect.Parameter) -> list[str]:
    return numbered(argument.name, len(argument.default))


def _annotation(argument: inspect.Parameter) -> str:
    annotation = argument.annotation
    if annotation is argument.empty:
        return ""
    if isinstance(annotation, type):
        return annotation.__name__
    return str(annotation)


def _types(annotation: str, default: Any) -> tuple[tuple[str, ...], Option]:
    """The plain types of an argument and its default; no types if it has another type."""
    named = [name for name in TYPES if re.search(rf"\b{name}\b", annotation)]
    optional = default is None or "None" in annotation or "Optional" in annotation
    none = ("None",) if optional else ()
    if default is None:
        nested = re.search("callable|tuple|list|dict|dtype|sequence", annotation, re.IGNORECASE)
        return ((*none, *named) if named and not nested else (), None)
    if type(default) is int and "float" in named:
        return (*none, "float"), float(default)
    if type(default) is int and not annotation:
        return ("int", "float"), default  # in a signature without types, `weight_decay=0` means 0.0
    is_finite = type(default) is not float or math.isfinite(default)
    if type(default) not in (bool, int, float, str) or not is_finite:
        return (), None
    return (*none, type(default).__name__), default
