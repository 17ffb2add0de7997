"""Plain values as JSON: strict reading, numbers that are not finite as null."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from nanocl.records import files

SIZE_LIMIT = 64 * 1024  # bytes of one record
READ_LIMIT = 16 * 2**20  # bytes of a file that is read at all
DEEPEST = 32  # levels of nesting
_NO_BRACKETS = bytes({*range(256)} - {*b'[]{}"'})


def parse(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: It is not JSON, or nested too deeply; NaN and infinity are not JSON either.
    """

    def refuse(constant: str) -> None:
        raise ValueError(f"it contains {constant}, which is not JSON")

    try:
        value = json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error}") from error
    except RecursionError as error:
        raise ValueError(f"it is nested deeper than {DEEPEST} levels") from error
    if not is_surely_shallow(text, DEEPEST) and is_deeper(value, DEEPEST):
        raise ValueError(f"it is nested deeper than {DEEPEST} levels")
    return value


def read(path: Path) -> Any:
    """The value of a JSON file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not JSON, not a regular file (opening a pipe would wait), or too large.
    """
    return parse(files.read(path, READ_LIMIT).decode())


def printable(text: str) -> str:
    """The text with everything that is not shown, or changes how the rest is, as an escape.

    These are control characters (line ends and terminal sequences too), directions of writing,
    lone surrogates, and spaces other than the usual one.
    """
    if text.isprintable():
        return text
    letters = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return "".join(letters)


def printable_lines(text: str) -> str:
    """As `printable`, with line ends kept."""
    return "\n".join(map(printable, text.split("\n")))


def is_deeper(value: Any, levels: int) -> bool:
    """Whether mappings and lists are nested in each other more than so many levels."""
    level = [value]
    for _ in range(levels + 1):
        parents = [value for value in level if isinstance(value, dict | list)]
        level = [item for parent in parents for item in _items(parent)]
        if not level:
            return False
    return True


def is_surely_shallow(text: str, levels: int) -> bool:
    """Whether a JSON text certainly is not `is_deeper`; it takes a sixth of the time of that.

    The answer for a text with brackets within strings may be no.
    """
    if "\\" in text:  # without escaped backslashes, and then quotes, no escape ends a string
        text = text.replace(r"\\", "").replace(r"\"", "")
    skeleton = text.encode().translate(None, _NO_BRACKETS)
    # a string without brackets has become two quotes; every pass takes the innermost level away
    skeleton = skeleton.replace(b'""', b"")
    for _ in range(levels):
        if not skeleton:
            return True
        skeleton = skeleton.replace(b"[]", b"").replace(b"{}", b"")
    return not skeleton


def _items(value: dict | list) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


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
    """A copy in which floats that are not finite are None, tuples are lists, dataclasses dicts.

    Args:
        value: Mappings, lists, tuples, dataclasses, strings, numbers and None.
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
    if hasattr(value, "__dataclass_fields__"):  # `dataclasses.asdict` takes three times as long
        return {name: finite(getattr(value, name), number) for name in value.__dataclass_fields__}
    return value
