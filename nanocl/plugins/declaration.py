"""What a plugin file says of itself, read from its text without running it."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nanocl.records import SCENARIOS, Option, UserError

BASES = {"strategies": ("Strategy",), "streams": ("Stream",), "models": ("Module", "Sequential")}
TYPES = {"bool": bool, "int": int, "float": float, "str": str, "None": type(None)}
CONSTANTS = {
    "citation": lambda value: isinstance(value, str),
    "citations": lambda value: (
        isinstance(value, dict) and {str} >= {*map(type, (*value, *value.values()))}
    ),
    "scenarios": lambda value: (
        isinstance(value, tuple) and bool(value) and set(value) <= set(SCENARIOS)
    ),
}
WRITTEN = {
    "citation": "BibTeX written out in the class",
    "citations": "names with BibTeX written out in the class",
    "scenarios": f"a tuple of some of {', '.join(map(repr, SCENARIOS))}, written out in the class",
}


@dataclass(frozen=True)
class Plugin:
    """What a plugin file says of itself.

    Attributes:
        kind: `strategies`, `streams` or `models`.
        name: Its name on the command line.
        module: Dotted module, or empty for a file of the user's.
        path: The file.
        class_name: Its one public class.
        summary: First line of the class's docstring.
        options: Option name to (types allowed, default).
        citation: BibTeX of its source.
        citations: BibTeX of what may stand after a colon in its name, by that text.
        scenarios: The scenarios it supports.
        brings_optimizer: Whether it has a method `make_optimizer`.
        is_library: Whether it has a class method `options_of`, see `complete`.
        source: Hash of the file, for a file of the user's.
    """

    kind: str
    name: str
    module: str
    path: Path
    class_name: str
    summary: str
    options: Mapping[str, tuple[tuple[str, ...], Option]]
    citation: str
    scenarios: tuple[str, ...]
    brings_optimizer: bool = False
    is_library: bool = False
    source: str = ""
    citations: Mapping[str, str] = field(default_factory=dict)


def parse(
    kind: str, path: Path, name: str, module: str = "", class_name: str = "", source: str = ""
) -> Plugin:
    """Read one plugin file.

    Args:
        kind: `strategies`, `streams` or `models`.
        path: The file.
        name: Its name on the command line.
        module: Dotted module it is imported as, empty for a file of the user's.
        class_name: Its class, where the file may hold several.
        source: Hash of the file, for a file of the user's.

    Raises:
        UserError: The file cannot be read or parsed, or holds no or several plugins, or an option
            without default.
    """
    classes = [node for node in _classes(_tree(path)) if not class_name or node.name == class_name]
    if len(classes) != 1:
        found = ", ".join(node.name for node in classes) or "none"
        raise UserError(
            f"{path} must hold one public class {class_name}".rstrip() + f", found {found}"
        )
    node = classes[0]
    if kind != "models" and not _bases(node) & set(BASES[kind]):
        raise UserError(f"{path}: {_not_direct(node)}")
    constants, methods = (
        _constants(node, path),
        {f.name for f in node.body if isinstance(f, ast.FunctionDef)},
    )
    summary = (ast.get_docstring(node) or "").strip().split("\n")[0]
    return Plugin(
        kind,
        name,
        module,
        path,
        node.name,
        summary,
        _options(node, path, kind),
        constants.get("citation", ""),
        constants.get("scenarios", ("class", "task", "domain")),
        "make_optimizer" in methods,
        "options_of" in methods,
        source,
        constants.get("citations", {}),
    )


def _tree(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise UserError(f"the plugin file {path} cannot be read: {error.strerror}") from error
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        raise UserError(
            f"the plugin file {path} has a syntax error in line {line}: {error.args[0]}"
        ) from error


def _classes(tree: ast.Module) -> list[ast.ClassDef]:
    return [
        node
        for node in tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]


def _bases(node: ast.ClassDef) -> set[str]:
    return {
        base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")
        for base in node.bases
    }


def _constants(node: ast.ClassDef, path: Path) -> dict[str, Any]:
    """Those of `CONSTANTS` that the class has."""
    values = {}
    for item in node.body:
        target = item.targets[0] if isinstance(item, ast.Assign) else getattr(item, "target", None)
        name = target.id if isinstance(target, ast.Name) else ""
        if name in CONSTANTS and getattr(item, "value", None) is not None:
            values[name] = _literal(item.value)
            if not CONSTANTS[name](values[name]):
                raise UserError(
                    f"{path}: {node.name}.{name} must be {WRITTEN[name]}, got {ast.unparse(item.value)}"
                )
    return values


def _options(
    node: ast.ClassDef, path: Path, kind: str
) -> dict[str, tuple[tuple[str, ...], Option]]:
    init = next(
        (f for f in node.body if isinstance(f, ast.FunctionDef) and f.name == "__init__"), None
    )
    if init is None:
        return {}
    positional = [argument.arg for argument in (*init.args.posonlyargs, *init.args.args)]
    first = 2 if kind == "models" else 1  # self, and for a model the shape of its inputs
    if positional[first:]:
        raise UserError(
            f"{path}: the option {positional[first]!r} of {node.name} must be keyword-only: write "
            f"__init__({', '.join(positional[:first])}, *, {positional[first]}, ...)"
        )
    options = {}
    for argument, default in zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True):
        types = (
            tuple(t.strip() for t in ast.unparse(argument.annotation).split("|"))
            if argument.annotation
            else ()
        )
        if default is None or not types or not set(types) <= set(TYPES):
            raise UserError(
                f"{path}: the option {argument.arg!r} of {node.name} needs a default and a type made of "
                f"bool, int, float, str, None"
            )
        value = _literal(default)
        if not any(_fits(value, name) for name in types):
            raise UserError(
                f"{path}: the default of the option {argument.arg!r} of {node.name} must be a plain value "
                f'of type {" or ".join(types)}, such as 0.1 or "text", got {ast.unparse(default)}'
            )
        options[argument.arg] = (types, value)
    return options


def _literal(node: ast.expr) -> Any:
    """The value as it is written out; for anything that has to be run, the node itself, which is of no plain type."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return node


def _fits(value: Any, name: str) -> bool:
    if name == "float":
        return type(value) is int or (type(value) is float and math.isfinite(value))
    return type(value) is TYPES[name]


def _not_direct(node: ast.ClassDef) -> str:
    bases = ", ".join(map(ast.unparse, node.bases)) or "nothing"
    return (
        f"{node.name} must derive from Strategy, Stream or Module itself, got {bases}: options of a class in "
        "between are not read; strategies are put together with +"
    )


def kind_of(path: Path) -> str:
    """Whether a file holds a strategy, a stream or a model.

    Raises:
        UserError: None of them.
    """
    classes = _classes(_tree(path))
    for kind, bases in BASES.items():
        if any(_bases(node) & set(bases) for node in classes):
            return kind
    if len(classes) == 1 and classes[0].bases:
        raise UserError(f"{path} holds no plugin: {_not_direct(classes[0])}")
    raise UserError(
        f"{path} holds no plugin: it needs one public class derived from Strategy, Stream or Module"
    )
