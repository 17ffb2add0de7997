"""Random changes of values, texts and bytes, for tests of what reads them."""

from __future__ import annotations

import contextlib
import copy
import json
import random
from pathlib import Path
from typing import Any

from nanocl.records import RunSpec, probes, store
from nanocl.records.encoding import sealed, to_text

TEXTS = (
    "",
    "\ud800",
    "\x00",
    "\x1b[2J",
    "\u202etxt",
    "a\nb\r\tc",
    "=1+1",
    "@x",
    "<script>alert(1)</script>",
    "[x](javascript:y)",
    "a|b`c",
    "../../x",
    "nan",
    "1e999",
    "x" * 5000,
    "\\input{x}",
)
NUMBERS = (0, -1, 1, True, 2**31, 2**63, 10**400, 1e308, -1e308, 1e-320, 0.5, -0.0, 1.0)
HOSTILE = (None, *NUMBERS, *TEXTS, [], {}, [[]], {"": None}, [None, 1], [1e308, 1e308])


def mutated(value: Any, rng: random.Random) -> Any:
    """A copy of nested mappings and lists with one to three random changes."""
    changed = copy.deepcopy(value)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        place = _place(changed, rng)
        if place:
            _change(*place, rng, changed)
    return changed


def damaged(content: bytes, rng: random.Random) -> bytes:
    """The content with flipped bits, cut, with a part repeated, or with foreign bytes."""
    kind, place = rng.randrange(4), rng.randrange(len(content) or 1)
    if kind == 0:
        flipped = bytearray(content)
        for _ in range(rng.choice((1, 1, 8))):
            flipped[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        return bytes(flipped)
    if kind == 1:
        return content[:place]
    if kind == 2:
        return content[:place] + content[max(0, place - 40) :]
    foreign = rng.choice(TEXTS).encode("utf-8", "surrogatepass")
    return content[:place] + rng.choice((foreign, b"\xff\xfe", b"[" * 5000)) + content[place:]


def toml(values: dict[str, Any]) -> str:
    """TOML of what was read from TOML, also of values that TOML does not have."""
    return "\n".join(f"{_toml(str(key))} = {_toml(value)}" for key, value in values.items())


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        entries = (f"{_toml(str(key))} = {_toml(item)}" for key, item in value.items())
        return "{" + ", ".join(entries) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)


def write_record(record: Any, path: Path, results_root: Path) -> Path:
    """Write a changed record with the digest and checksum of its content, where that belongs."""
    try:
        spec = RunSpec.from_dict(record["spec"])
        is_probe = path.parent.parent.name == "probes"
        place = probes.path_of(spec, path.parent.parent) if is_probe else None
        path = place or store.path_of(spec, results_root)
        record = sealed({**record, "digest": spec.digest})
    except Exception:  # a spec that cannot be made has no digest
        with contextlib.suppress(Exception):
            record = sealed(record)
    try:
        return written(path, to_text(record).encode())
    except (OSError, ValueError, AttributeError):
        return written(path.with_name("other.json"), json.dumps(record).encode())


def written(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _place(value: Any, rng: random.Random) -> tuple[Any, Any] | None:
    """A random entry: its mapping or list, and its key; every depth is as likely as the others."""
    if not isinstance(value, dict | list) or not value:
        return None
    key = rng.choice(list(value) if isinstance(value, dict) else range(len(value)))
    deeper = _place(value[key], rng) if rng.random() < 0.7 else None
    return deeper or (value, key)


def _change(parent: Any, key: Any, rng: random.Random, whole: Any) -> None:
    kind = rng.randrange(8)
    value = parent[key]
    if kind == 0:
        del parent[key]
    elif kind == 1 and isinstance(parent, dict):
        parent[rng.choice(TEXTS)] = parent.pop(key)
    elif kind == 1:
        parent.insert(key, copy.deepcopy(value))
    elif kind == 2:
        other, place = _place(whole, rng) or (parent, key)
        parent[key] = copy.deepcopy(other[place])
    elif kind == 3:
        parent[key] = rng.choice(([value], {"a": value}, str(value)))
    elif kind == 4 and isinstance(value, int | float):
        parent[key] = rng.choice((-value, value * 10**30, str(value), 1 - value))
    elif kind == 4 and isinstance(value, list | dict):
        parent[key] = type(value)()
    else:
        parent[key] = copy.deepcopy(rng.choice(HOSTILE))
