"""A class by name: `lion.py:Lion`, `some.module:Lion` or `avalanche:GEMPlugin`."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Iterable
from pathlib import Path

PACKAGES = {"avalanche": "avalanche.training.plugins"}  # where the classes of a short name are


def file_of(reference: str | Path) -> tuple[Path | None, str]:
    """The file of `lion.py` or `lion.py:Lion`, None for a module, and the class, '' without one."""
    text = str(reference)
    before, colon, class_name = text.rpartition(":")
    if colon and before.endswith(".py"):
        return Path(before), class_name
    if text.endswith(".py") or not colon:
        return Path(text), ""
    return None, class_name


def name_of(reference: str | Path) -> str:
    """The name of what a reference stands for: `my_lion.py` is `my-lion`.

    `dir/my_lion.py:Lion` is `my-lion:Lion`. That of a class in a module is the reference itself.
    """
    path, class_name = file_of(reference)
    if path is None:
        return str(reference)
    stem = path.stem.replace("_", "-")
    return f"{stem}:{class_name}" if class_name else stem


def references(composition: str, known: Collection[str]) -> tuple[str, list[str]]:
    """A composition with the names of its parts, and the references that are to be read for it.

    Args:
        composition: Such as `avalanche:GEMPlugin+adamw` or `lion.py:Lion`.
        known: Names of plugins, which are no modules.
    """
    parts = composition.split("+")
    found = [part for part in parts if _is_reference(part, known)]
    names = [name_of(part) if part in found else part for part in parts]
    return "+".join(names), found


def all_references(
    compositions: Iterable[str], known: Collection[str]
) -> tuple[tuple[str, ...], tuple[Path, ...]]:
    """As `references` for several compositions, each reference once."""
    pairs = [references(composition, known) for composition in compositions]
    found = dict.fromkeys(one for _, listed in pairs for one in listed)
    return tuple(name for name, _ in pairs), tuple(map(Path, found))


def _is_reference(part: str, known: Collection[str]) -> bool:
    path, class_name = file_of(part)
    if path is not None:
        return path.suffix == ".py"
    stem = part.partition(":")[0]
    if not class_name or stem in known:
        return False
    return stem in PACKAGES or "." in stem or importlib.util.find_spec(stem) is not None
