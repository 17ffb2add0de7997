"""The released versions of boards: `<results_root>/boards/<name>/v<Major.Minor>/`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nanocl.boards import names
from nanocl.records import UserError, plain, store
from nanocl.records.ranges import did_you_mean

MANIFEST = "manifest.json"
_FOLDER = re.compile(r"v(\d{1,6})\.(\d{1,6})")


@dataclass(frozen=True, order=True)
class Version:
    """`Major.Minor`: a changed protocol raises Major, changed records raise Minor."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


@dataclass(frozen=True)
class Released:
    """One version of a board on disk."""

    name: str
    version: Version
    folder: Path

    def __str__(self) -> str:
        return f"{self.name}@v{self.version}"

    def manifest(self) -> Mapping[str, Any]:
        """What `manifest.json` says.

        Raises:
            UserError: It is missing or damaged.
        """
        path = self.folder / MANIFEST
        try:
            values = plain.read(path)
        except (OSError, ValueError) as error:
            raise UserError(f"{self}: {MANIFEST}: {store.one_line(error)}") from error
        if not isinstance(values, dict) or values.get("schema") != SCHEMA:
            raise UserError(f"{self}: {MANIFEST} does not have the format {SCHEMA}")
        return values


SCHEMA = "nanocl-board/1"


def root_of(results_root: Path) -> Path:
    """The folder of all released boards."""
    return results_root / "boards"


def folder_of(name: str, version: Version, results_root: Path) -> Path:
    """The folder of one version."""
    return root_of(results_root) / name / f"v{version}"


def versions(name: str, results_root: Path) -> list[Released]:
    """The versions of a board, oldest first; an empty folder is none."""
    found = []
    for folder in (root_of(results_root) / name).glob("v*"):
        match = _FOLDER.fullmatch(folder.name)
        if match and folder.is_dir() and any(folder.iterdir()):
            version = Version(int(match[1]), int(match[2]))
            found.append(Released(name, version, folder))
    return sorted(found, key=lambda released: released.version)


def boards(results_root: Path) -> list[str]:
    """The names of all boards with a version."""
    folders = sorted(root_of(results_root).glob("*"))
    return [folder.name for folder in folders if versions(folder.name, results_root)]


def find(text: str, results_root: Path) -> list[Released]:
    """The versions that `NAME[@VERSION]` or `all` stands for, oldest first.

    Raises:
        UserError: There is no such board or version.
    """
    if text == "all":
        every = [one for name in boards(results_root) for one in versions(name, results_root)]
        if not every:
            raise UserError(f"no board was released in {root_of(results_root)}")
        return every
    board, at, wanted = text.partition("@")
    found = versions(_board(board, results_root), results_root)
    if not at:
        return found
    chosen = [one for one in found if str(one.version) == wanted.removeprefix("v")]
    if not chosen:
        known = [f"v{one.version}" for one in found]
        raise UserError(f"board {board!r} has no version {wanted!r}{did_you_mean(wanted, known)}")
    return chosen


def latest(text: str, results_root: Path) -> Released:
    """The version that `NAME@VERSION` stands for, or the newest one of `NAME`.

    Raises:
        UserError: There is no such board or version.
    """
    return find(text, results_root)[-1]


def is_board(text: str, results_root: Path) -> bool:
    """Whether `NAME[@VERSION]` names a released board, or has the form of one."""
    is_known = bool(names.matching(text.partition("@")[0], boards(results_root)))
    return is_known or "@" in text or names.is_full(text)


def _board(text: str, results_root: Path) -> str:
    known = boards(results_root)
    wanted = names.matching(text, known)
    if not known:
        raise UserError(
            f"no board was released in {root_of(results_root)}; python -m nanocl.report release "
            f"{text} makes the first version"
        )
    if not wanted:
        raise UserError(f"no released board is called {text!r}{did_you_mean(text, known)}")
    if len(wanted) > 1:
        raise UserError(f"several boards are called {text!r}: {', '.join(wanted)}")
    return wanted[0]
