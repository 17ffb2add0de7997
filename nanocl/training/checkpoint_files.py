"""Where the checkpoint of a run lies: a file after an experience, and one within it."""

from __future__ import annotations

from pathlib import Path

from nanocl.records import RunSpec


def path_of(spec: RunSpec, folder: Path) -> Path:
    """The path of the checkpoint of a run."""
    return folder / f"{spec.digest}.pt"


def within(path: Path) -> Path:
    """The path of the checkpoint within an experience, beside that of the run."""
    return path.with_suffix(f".within{path.suffix}")


def delete(path: Path) -> None:
    """Delete the checkpoint of a run, both files."""
    path.unlink(missing_ok=True)
    within(path).unlink(missing_ok=True)
