"""Curves for Weights & Biases; needs the extra `nanocl[wandb]`.

Offline, in a folder, unless WANDB_MODE says otherwise. A run that resumes adds another folder with
the same id, which `wandb sync` joins. One that begins anew has another id, so that its points are
never added to curves that `wandb sync` has sent before. On a server, a run that begins anew
replaces the run of its id, which no run without a server has: wandb does that where `resume` is not
set.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import wandb

from nanocl.loggers.facts import owner
from nanocl.loggers.kinds import Facts, Kind
from nanocl.records.curves import TRAINING, Point

PROJECT = "nanocl"
ONLINE = ("online", "shared")  # values of WANDB_MODE with which a server has the curves


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

    cleared: set[str] = set()
    is_online = os.environ.get("WANDB_MODE") in ONLINE

    def open_log(name: str, facts: Facts) -> _Run:
        is_new = str(facts["digest"]) in cleared
        cleared.discard(str(facts["digest"]))
        mode: Literal["allow"] | None = None if is_new else "allow"
        run_id = _online_id(folder, facts) if is_online else _offline_id(folder, facts)
        return _Run(_begun(folder, name, facts, run_id, mode))

    def clear(_: str, facts: Facts) -> None:
        cleared.add(str(facts["digest"]))
        # curves of calls without a server are at another place: `wandb sync` may not have sent them
        for path in [] if is_online else _offline(folder, facts):
            shutil.rmtree(path)

    sync = f"wandb sync {shlex.quote(str(folder))}/wandb/offline-run-*"
    return Kind(
        open_log,
        "on its pages" if is_online else sync,
        holds=lambda _, facts: is_online or bool(_offline(folder, facts)),
        clear=clear,
        address=_server() if is_online else "",
    )


def _server() -> str:
    project = "/".join(filter(None, [os.environ.get("WANDB_ENTITY"), _project()]))
    return f"project {project} at {os.environ.get('WANDB_BASE_URL', 'wandb.ai')}"


def _project() -> str:
    return os.environ.get("WANDB_PROJECT", PROJECT)


def _offline(folder: Path, facts: Facts) -> list[Path]:
    """The folders of a run that were written without a server."""
    return [*folder.glob(f"wandb/offline-run-*-{facts['digest']}-*")]


def _online_id(folder: Path, facts: Facts) -> str:
    """The digest and the folder: others in the project may log the same run."""
    return f"{facts['digest']}-{owner(folder)}"


def _offline_id(folder: Path, facts: Facts) -> str:
    """That of the run's last folder, which is `offline-run-<time>-<id>`; a new one without any."""
    folders = sorted(_offline(folder, facts))
    if folders:
        return folders[-1].name.split("-", 3)[3]
    return f"{_online_id(folder, facts)}-{uuid4().hex[:8]}"


def _begun(
    folder: Path, name: str, facts: Facts, run_id: str, resume: Literal["allow"] | None
) -> Any:
    folder.mkdir(parents=True, exist_ok=True)
    return wandb.init(
        project=_project(),
        dir=str(folder),
        id=run_id,
        name=name,
        group=str(facts["protocol"]),
        config=dict(facts),
        mode=None if "WANDB_MODE" in os.environ else "offline",
        resume=resume,
        reinit="create_new",  # runs of a call are logged at the same time
        settings=wandb.Settings(silent=True, console="off"),
    )
