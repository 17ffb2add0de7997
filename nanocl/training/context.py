"""How runs are executed: everything that a worker needs beside the spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from nanocl.plugins.catalogue import INSTALLED, Catalogue
from nanocl.records import RunSpec
from nanocl.records.measuring import Measuring
from nanocl.records.roots import DataRoot


class Findings(NamedTuple):
    """What a check found out, by `grouping.learner_of`.

    Attributes:
        alone: Why seeds of the learner are trained alone; empty if they need not.
        unsavable: Why a run of the learner cannot resume from a checkpoint; those that cannot only.
    """

    alone: dict[str, str]
    unsavable: dict[str, str]


@dataclass(frozen=True)
class Context:
    """What a call shares among its runs. None of it changes their numbers on one kind of device.

    Attributes:
        catalogue: All plugins, user files as they were read when the call began.
        data_root: Folders of the data sets; None for the default.
        device: `auto`, `cpu` or `cuda`.
        workers: Runs that share the machine, for the record.
        checkpoints: Folder for checkpoints; None writes none.
        checkpoint_minutes: Minutes from one checkpoint to the next within an experience; 0 writes
            them after experiences only.
        probes: Folder for what a `MagnitudeProbe` sees; a probed run then starts from nothing.
            None probes nothing.
        on_written: Called with each file of a checkpoint that was written; None calls nothing.
        measuring: Which experiences are tested, and when.
        vectorize: Whether seeds are trained as one model, see `nanocl.training.grouping`.
        unsavable: As in `Findings`; such a run writes no checkpoint.
        logs: Whether runs tell what loggers write, see `nanocl.training.curves`.
        replacing: By digest, the same for runs whose record is replaced: it has all its tests, too.
    """

    catalogue: Catalogue = INSTALLED
    data_root: DataRoot = None
    device: str = "cpu"
    workers: int = 1
    checkpoints: Path | None = None
    checkpoint_minutes: float = 5.0
    probes: Path | None = None
    on_written: Callable[[Path], None] | None = None
    measuring: Measuring = field(default_factory=Measuring)
    vectorize: str = "off"
    unsavable: Mapping[str, str] = field(default_factory=dict)
    replacing: Mapping[str, Measuring] = field(default_factory=dict)
    logs: bool = False

    def measuring_of(self, spec: RunSpec) -> Measuring:
        """Which experiences of a run are tested, and when."""
        return self.replacing.get(spec.digest, self.measuring)

    @property
    def tracks(self) -> bool:
        """Whether a run is tested within experiences."""
        chosen = (self.measuring, *self.replacing.values())
        return any(measuring.track_every for measuring in chosen)
