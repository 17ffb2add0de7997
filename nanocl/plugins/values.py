"""Values of options: text and numbers as the types that a plugin declares."""

from __future__ import annotations

import math
from typing import Any

from nanocl.plugins.signature import TYPES
from nanocl.records import Option, UserError

BOOLEANS = {
    "true": True,
    "false": False,
    "yes": True,
    "no": False,
    "on": True,
    "off": False,
}


class UnknownOption(UserError):
    """A plugin has no option of that name, or the value is of the wrong type."""


def convert(label: str, value: Any, types: tuple[str, ...]) -> Option:
    """A value, or its text, as the first of the types that fits.

    Raises:
        UnknownOption: With the option, the value and the types.
    """
    for name in types:
        try:
            return _convert(value, name)
        except (ValueError, TypeError, OverflowError):
            continue
    expected = " or ".join(types) + (" (finite)" if "float" in types else "")
    hint = ""
    if isinstance(value, str) and "," in value:
        hint = "; only options of strategies take a list of values: make a call for each"
    raise UnknownOption(f"{label} must be of type {expected}, got {value!r}{hint}")


def _convert(value: Any, name: str) -> Option:
    if name == "None":
        if value is None or value in ("none", "None"):
            return None
        raise ValueError
    if name == "bool":
        if isinstance(value, bool):
            return value
        word = str(value).lower()
        if word in BOOLEANS:
            return BOOLEANS[word]
        raise ValueError
    if isinstance(value, bool) or (name == "str" and not isinstance(value, str)):
        raise ValueError
    if name == "int" and isinstance(value, float):
        raise ValueError
    converted = TYPES[name](value)
    if name == "float" and not math.isfinite(converted):
        raise ValueError
    return converted
