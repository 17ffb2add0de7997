"""The functions that a study has in its module `study`, and the values that they return."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from nanocl.records import RunResult
from nanocl.studies.claims import Chapter

PAGE = "README.md"
Tell = Callable[[float, str], None]


@dataclass(frozen=True)
class FigureSet:
    """The figures of one page.

    Attributes:
        folder: The folder of the page and its figures.
        names: File names of the figures.
        draw: Draws them; returns file name to content.
    """

    folder: Path
    names: Sequence[str]
    draw: Callable[[], dict[str, bytes]]

    def missing(self) -> bool:
        """Whether a figure has no file."""
        return not all((self.folder / name).exists() for name in self.names)


class Study(Protocol):
    """A study: verdicts, pages and figures from the records of a results folder.

    Every function takes the records of ordinary runs and the results folder, in which a study may
    have files of its own. None of them loads torch.
    """

    def claims(self, results: Sequence[RunResult], results_root: Path) -> list[Chapter]:
        """The claims that the study tests."""
        ...

    def pages(self, results: Sequence[RunResult], results_root: Path) -> dict[Path, str]:
        """Path to text of each page; empty if nothing is measured."""
        ...

    def figures(self, results: Sequence[RunResult], results_root: Path) -> list[FigureSet]:
        """The figures of each page; loads matplotlib only when they are drawn."""
        ...


class TrainedStudy(Study, Protocol):
    """A study that trains its own runs: `python -m nanocl.run --stream <study>`."""

    def run(
        self,
        results_root: Path,
        workers: int = 2,
        tell: Tell = ...,
        *,
        tier: str = "cpu",
        seeds: Sequence[int] = (),
        force: bool = False,
    ) -> str:
        """Measure what has no record yet and write page and figures.

        Args:
            results_root: The results folder.
            workers: Threads that train.
            tell: Called with the completed share of the work, in [0, 1], and the current part.
            tier: `smoke`, `cpu` or `paper`.
            seeds: Replace the seeds of the protocol.
            force: Measure again what has a record.

        Returns:
            Text for the terminal.

        Raises:
            UserError: An unknown tier, or a folder that cannot be written.
        """
        ...

    def listing(
        self,
        results_root: Path,
        *,
        tier: str = "cpu",
        seeds: Sequence[int] = (),
    ) -> list[tuple[str, str, bool]]:
        """Digest, description and whether it is measured, of each part of the study."""
        ...

    def damaged(
        self,
        results_root: Path,
        *,
        tier: str = "cpu",
        seeds: Sequence[int] = (),
    ) -> list[Path]:
        """Records that exist and cannot be read; `run` measures them again."""
        ...
