"""Which folder is a results folder, and which one was meant where a folder is none."""

from __future__ import annotations

from pathlib import Path

from nanocl.records import damage

PLACES = ("runs/**/*.json", *damage.PLACES)
NAMES = tuple(place.partition("/")[0] for place in PLACES)


def has_records(folder: Path) -> bool:
    """Whether a folder has a file where a results folder has its records."""
    return any(any(folder.glob(place)) for place in PLACES)


def meant(folder: Path) -> list[Path]:
    """The results folders below a folder that is none, else the nearest above it; maybe none."""
    below = {inside.parent for name in NAMES for inside in folder.rglob(name) if inside.is_dir()}
    outer = [path for path in below if not {*path.relative_to(folder).parts} & {*NAMES}]
    found = sorted(path for path in outer if has_records(path))
    return found or _above(folder)


def _above(folder: Path) -> list[Path]:
    place = folder.resolve()
    for inner in (place, *place.parents):
        if inner.name in NAMES and has_records(inner.parent):
            here = Path.cwd()
            root = inner.parent
            return [root.relative_to(here) if root.is_relative_to(here) else root]
    return []
