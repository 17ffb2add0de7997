"""The loggers by name; the library of one is imported only when it is named."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol

from nanocl.records import UserError, extras
from nanocl.records.curves import Point

Facts = Mapping[str, str | int]
_MODULES = {
    "csv": "comma_separated",
    "tensorboard": "tensorboard",
    "wandb": "wandb",
    "mlflow": "mlflow",
}


class RunLog(Protocol):
    """The log of one run."""

    def write(self, points: Sequence[Point]) -> None:
        """Add points; the steps of a curve ascend."""

    def close(self) -> None:
        """End it, so that everything is on disk."""


@dataclass(frozen=True)
class Kind:
    """A logger.

    Attributes:
        open: Opens the log of a run, or goes on with it: called with the run's name (a path with
            `/`) and what is noted of the run.
        look: How a user looks at the curves.
        holds: Whether there is a log of the run to go on with; called as `open` is.
        clear: Deletes the log of the run, if there is one; called as `open` is.
        address: Of the server or database that has the curves; empty if the folder has them.
    """

    open: Callable[[str, Facts], RunLog]
    look: str
    holds: Callable[[str, Facts], bool]
    clear: Callable[[str, Facts], None]
    address: str = ""


def kind(name: str, folder: Path) -> Kind:
    """The logger of this name, with its library imported.

    Args:
        name: One of `records.curves.LOGGERS`.
        folder: Where it writes.

    Raises:
        UserError: The library is missing.
    """
    try:
        module = import_module(f"nanocl.loggers.{_MODULES[name]}")
    except ImportError as error:
        raise UserError(
            f"--log {name} needs the package {name}; install it with: {extras.command(name)} "
            f"({error})"
        ) from error
    made: Kind = module.kind(folder)
    return made
