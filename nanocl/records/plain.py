"""Plain values as JSON: strict reading, numbers that are not finite as null."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

SIZE_LIMIT = 64 * 1024  # bytes of one record


def parse(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: It is not JSON; NaN and infinity are not JSON either.
    """

    def refuse(constant: str) -> None:
        raise ValueError(f"it contains {constant}, which is not JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error}") from error


def read(path: Path) -> Any:
    """The value of a JSON file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not JSON.
    """
    return parse(Path(path).read_text(encoding="utf-8"))


def compact(value: Any) -> str:
    """JSON on one line, without spaces."""
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def lines(record: Mapping[str, Any], write: Callable[[Any], str] = compact) -> str:
    """JSON of a mapping with a line for each key; `write` writes the values."""
    entries = [f"{json.dumps(name)}: {write(value)}" for name, value in record.items()]
    return "{\n" + ",\n".join(entries) + "\n}"


def nested_lines(value: Any) -> str:
    """JSON with a line for each key, also within mappings of mappings."""
    return lines(value, _nested)


def _nested(value: Any) -> str:
    if isinstance(value, dict) and value and all(isinstance(v, dict) for v in value.values()):
        return nested_lines(value)
    return compact(value)


def finite(value: Any, number: Callable[[float], float] = float) -> Any:
    """A copy in which floats that are not finite are None, tuples are lists.

    Args:
        value: Mappings, lists, tuples, strings, numbers and None.
        number: Applied to every finite float, for example to round it.
    """
    if isinstance(value, Mapping):
        return {name: finite(item, number) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item, number) for item in value]
    if isinstance(value, float):
        if math.isfinite(value):
            return number(value)
        return None
    return value
