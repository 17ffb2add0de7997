"""Curves as event files of TensorBoard; needs the extra `nanocl[tensorboard]`.

Through TensorBoard's own writer of events: torch's `SummaryWriter` and Avalanche's logger, which
use it, too, would load torch into the process of the command.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from nanocl.loggers.kinds import Facts, Kind
from nanocl.records.curves import Point

FLUSH = 10  # seconds until a point is on disk, where a running TensorBoard finds it


class _Events:
    def __init__(self, folder: Path) -> None:
        self._writer = EventFileWriter(str(folder), flush_secs=FLUSH)

    def write(self, points: Sequence[Point]) -> None:
        now = time.time()
        for point in points:
            value = Summary.Value(tag=point.name, simple_value=point.value)
            summary = Summary(value=[value])
            self._writer.add_event(Event(wall_time=now, step=point.step, summary=summary))

    def close(self) -> None:
        self._writer.close()


def kind(folder: Path) -> Kind:
    """The logger that writes into a folder."""

    def open_log(name: str, facts: Facts) -> _Events:
        return _Events(folder / name)

    def clear(name: str, _: Facts) -> None:
        for path in _files(folder / name):
            path.unlink()

    return Kind(
        open_log,
        f"tensorboard --logdir {shlex.quote(str(folder))}",
        holds=lambda name, _: bool(_files(folder / name)),
        clear=clear,
    )


def _files(folder: Path) -> list[Path]:
    return [*folder.glob("events.out.tfevents.*")]
