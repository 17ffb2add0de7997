"""Constants of a plugin class, read from its text."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nanocl.plugins.signature import literal
from nanocl.records import SCENARIOS, UserError


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_text, (*value, *value.values())))


def _is_scenarios(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and set(value) <= set(SCENARIOS)


def _is_names(value: Any) -> bool:
    return isinstance(value, tuple) and all(map(_is_text, value))


def _is_version(value: Any) -> bool:
    return type(value) is int and value >= 1


def _is_space(value: Any) -> bool:
    return isinstance(value, dict) and all(
        _is_text(name) and _is_range(bounds) for name, bounds in value.items()
    )


def _is_range(bounds: Any) -> bool:
    return (
        isinstance(bounds, tuple)
        and len(bounds) == 2
        and all(type(bound) in (int, float) for bound in bounds)
        and 0 < bounds[0] < bounds[1] < math.inf
    )


CONSTANTS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "citation": (_is_text, "BibTeX written out in the class"),
    "citations": (_is_texts, "names with BibTeX written out in the class"),
    "scenarios": (
        _is_scenarios,
        f"a tuple of some of {', '.join(map(repr, SCENARIOS))}, written out in the class",
    ),
    "hidden_options": (_is_names, "a tuple of names, written out in the class"),
    "later_options": (_is_names, "a tuple of names, written out in the class"),
    "search_space": (
        _is_space,
        'options with (lowest, highest) above 0, such as {"lr": (1e-4, 1e-1)}, written out in the '
        "class",
    ),
    "version": (_is_version, "a whole number from 1, written out in the class"),
}


def constants_of(node: ast.ClassDef, path: Path) -> dict[str, Any]:
    """Those of `CONSTANTS` that the class has.

    Raises:
        UserError: One has another form.
    """
    values = {}
    for item in node.body:
        if isinstance(item, ast.Assign):
            target = item.targets[0]
            value = item.value
        elif isinstance(item, ast.AnnAssign) and item.value is not None:
            target = item.target
            value = item.value
        else:
            continue
        name = target.id if isinstance(target, ast.Name) else ""
        if name not in CONSTANTS:
            continue
        values[name] = literal(value)
        is_right, expected = CONSTANTS[name]
        if not is_right(values[name]):
            raise UserError(
                f"{path}: {node.name}.{name} must be {expected}, got {ast.unparse(value)}"
            )
    return values
