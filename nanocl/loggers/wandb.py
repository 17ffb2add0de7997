"""Curves for Weights & Biases; needs the extra `nanocl[wandb]`.

Offline, in a folder, unless WANDB_MODE or the user's settings of wandb say otherwise. A run that
resumes adds another folder with the same id, which `wandb sync` joins.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import wandb

from nanocl.loggers.kinds import Facts, Kind
from nanocl.records.curves import TRAINING, Point

PROJECT = "nanocl"


class _Run:
    def __init__(self, run: Any) -> None:
        self._run = run
        # wandb's own steps would mix mini-batches and experiences
        run.define_metric("*", step_metric="experiences")
        run.define_metric(f"{TRAINING}*", step_metric="mini-batches")

    def write(self, points: Sequence[Point]) -> None:
        rows: dict[tuple[str, int], dict[str, float]] = {}
        for point in points:
            key = (point.axis, point.step)
            rows.setdefault(key, {point.axis: point.step})[point.name] = point.value
        for row in rows.values():
            self._run.log(row)

    def close(self) -> None:
        self._run.finish()


def kind(folder: Path) -> Kind:
    """The logger that writes into a folder."""

    def open_log(name: str, facts: Facts) -> _Run:
        return _Run(_begun(folder, name, facts))

    sync = f"wandb sync {shlex.quote(str(folder))}/wandb/offline-run-*"
    return Kind(open_log, sync)


def _begun(folder: Path, name: str, facts: Facts) -> Any:
    """A run whose id is the digest."""
    folder.mkdir(parents=True, exist_ok=True)
    return wandb.init(
        project=os.environ.get("WANDB_PROJECT", PROJECT),
        dir=str(folder),
        id=str(facts["digest"]),
        name=name,
        group=str(facts["protocol"]),
        config=dict(facts),
        mode=None if "WANDB_MODE" in os.environ else "offline",
        resume="allow",
        reinit="create_new",  # runs of a call are logged at the same time
        settings=wandb.Settings(silent=True, console="off"),
    )
