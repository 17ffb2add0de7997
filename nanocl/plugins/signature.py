"""Options read from the `__init__` of a class without running it."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator
from typing import Any

from nanocl.records import Option

TYPES = {
    "bool": bool,
    "int": int,
    "float": float,
    "str": str,
    "None": type(None),
}
Options = dict[str, tuple[tuple[str, ...], Option]]


def initializer(node: ast.ClassDef) -> ast.FunctionDef | None:
    """The class's own `__init__`."""
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            return item
    return None


def plain_options(node: ast.ClassDef) -> Options:
    """Arguments of plain types with a default; a tuple such as `betas` becomes `beta1`, `beta2`.

    What has no plain type (functions, data types) is left out: it keeps its default.
    """
    init = initializer(node)
    options: Options = {}
    for argument, default in _defaults(init) if init else ():
        value = literal(default)
        types = types_of(argument)
        if isinstance(value, tuple):
            entry = next(iter(types_within(argument)), "")
            names = numbered(argument.arg, len(value))
            options |= {name: ((entry,), one) for name, one in zip(names, value, strict=True)}
        elif types and any(fits(value, name) for name in types):
            options[argument.arg] = (types, value)
    return options


def function_options(node: ast.FunctionDef) -> Options:
    """Arguments with a default of a plain type, which stands for a missing annotation."""
    options: Options = {}
    for argument, default in _defaults(node):
        value = literal(default)
        names = {type(value).__name__, "None" if value is None else ""}
        types = types_of(argument) or tuple(name for name in TYPES if name in names)
        if argument not in node.args.posonlyargs and any(fits(value, name) for name in types):
            options[argument.arg] = (types, value)
    return options


def types_of(argument: ast.arg) -> tuple[str, ...]:
    """The plain types in an annotation such as `torch.dtype | str | None`."""
    if argument.annotation is None:
        return ()
    names = (name.strip() for name in ast.unparse(argument.annotation).split("|"))
    return tuple(name for name in names if name in TYPES)


def types_within(argument: ast.arg) -> Iterator[str]:
    """The plain types named inside an annotation such as `tuple[float, float]`."""
    for node in ast.walk(argument.annotation) if argument.annotation else ():
        if isinstance(node, ast.Name) and node.id in TYPES:
            yield node.id


def numbered(name: str, count: int) -> list[str]:
    """Names for the entries of a tuple.

    `beta1`, `beta2` of `betas`; `ns_coefficient1`, ... of `ns_coefficients`; `eps1`, `eps2` of
    `eps`.
    """
    words = name.split("_")
    plural = max((i for i, word in enumerate(words) if word.endswith("s")), default=len(words) - 1)
    stem = words[plural] if words[plural] == "eps" else words[plural].removesuffix("s")
    before = words[:plural]
    after = words[plural + 1 :]
    return ["_".join([*before, f"{stem}{number}", *after]) for number in range(1, count + 1)]


def literal(node: ast.expr) -> Any:
    """The value written out; the node itself, which is of no plain type, where code must run."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return node


def fits(value: Any, name: str) -> bool:
    """Whether a value has the plain type of that name; numbers must be finite."""
    if name == "float":
        return type(value) is int or (type(value) is float and math.isfinite(value))
    return type(value) is TYPES[name]


def _defaults(init: ast.FunctionDef) -> Iterator[tuple[ast.arg, ast.expr]]:
    """Each argument that has a default, with it."""
    arguments = init.args
    positional = [*arguments.posonlyargs, *arguments.args]
    first = len(positional) - len(arguments.defaults)
    yield from zip(positional[first:], arguments.defaults, strict=True)
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if default is not None:
            yield argument, default
