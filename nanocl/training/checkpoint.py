"""What a run needs to resume after a crash, bit for bit.

A checkpoint is one line of JSON (format, digest of the run, versions, SHA-256 of the rest) and the
state as `torch.save` writes it. It is used only if all of them match. It holds tensors and plain
values and is read with `weights_only=True`: a file from elsewhere cannot run code. The data order
needs no saving, since it depends on seed and experience only.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import Tensor

from nanocl import __version__
from nanocl.plugins.state import load_state, state_of, unsaved
from nanocl.records import Drift, RunSpec, files
from nanocl.training.drift import DriftMeter
from nanocl.training.loop import Learner, Outcome
from nanocl.training.measure import Meter

SCHEMA = "nanocl-checkpoint/1"
METER = ("seconds", "steps", "samples", "strategy_bytes")


class Unsavable(ValueError):
    """A strategy has attributes that a checkpoint cannot hold."""


class Unusable(ValueError):
    """A checkpoint is damaged, of another run, or of other versions."""


def path_of(spec: RunSpec, folder: Path) -> Path:
    """The path of the checkpoint of a run."""
    return folder / f"{spec.digest}.pt"


def save(
    path: Path,
    spec: RunSpec,
    learner: Learner,
    meter: Meter,
    drift: DriftMeter,
    outcome: Outcome,
) -> None:
    """Write everything atomically.

    Raises:
        OSError: It cannot be written.
        Unsavable: The run could not resume with the same numbers.
    """
    _check_savable(learner.strategies)
    clock = {name: value for name, value in vars(learner.clock).items() if isinstance(value, int)}
    meters = {name: getattr(meter, name) for name in METER}
    state = {
        "model": learner.model.state_dict(),
        "optimizer": learner.optimizer.state_dict(),
        "strategies": [state_of(strategy) for strategy in learner.strategies],
        "clock": clock,
        "meter": meters,
        "drift": drift.state_dict(),
        "outcome": asdict(outcome),
        "statistics": learner.statistics.kept if learner.statistics else {},
        "random": _rng_state(),
    }
    content = io.BytesIO()
    torch.save(state, content)
    header = {**_identity(spec), "sha256": hashlib.sha256(content.getbuffer()).hexdigest()}
    files.write(path, json.dumps(header).encode() + b"\n" + content.getvalue())


def load(
    path: Path,
    spec: RunSpec,
    learner: Learner,
    meter: Meter,
    drift: DriftMeter,
) -> Outcome:
    """Restore a learner and its instruments.

    Returns:
        What was measured before the checkpoint.

    Raises:
        Unusable: The file is damaged, of another run, or of other versions; nothing was changed.
        OSError: It cannot be read.
    """
    content = _verified(path, spec)
    state = torch.load(io.BytesIO(content), weights_only=True, map_location=learner.device)
    learner.model.to(learner.device)
    learner.model.load_state_dict(state["model"])
    learner.make_optimizer(reset_optimizer_state=True)
    learner.optimizer.load_state_dict(state["optimizer"])
    for strategy, saved in zip(learner.strategies, state["strategies"], strict=True):
        load_state(strategy, saved)
    for instrument, values in ((learner.clock, state["clock"]), (meter, state["meter"])):
        for name, value in values.items():
            setattr(instrument, name, value)
    drift.load_state_dict({name: _on_cpu(tensors) for name, tensors in state["drift"].items()})
    if learner.statistics:
        learner.statistics.kept = state["statistics"]
    _set_rng_state(state["random"])
    values = {f.name: state["outcome"][f.name] for f in fields(Outcome)}
    return Outcome(**{**values, "drift": [Drift(**entry) for entry in values["drift"]]})


def _check_savable(strategies: Sequence[Any]) -> None:
    for strategy in strategies:
        names = unsaved(strategy)
        if names:
            raise Unsavable(
                f"{type(strategy).__name__}.{names[0]} is no tensor, plain value or object made of "
                "those; give the class state_dict and load_state_dict"
            )


def _identity(spec: RunSpec) -> dict[str, str]:
    versions = {"nanocl": __version__, "torch": str(torch.__version__)}
    return {"schema": SCHEMA, "digest": spec.digest, **versions}


def _verified(path: Path, spec: RunSpec) -> bytes:
    line, _, content = path.read_bytes().partition(b"\n")
    try:
        header = json.loads(line)
    except ValueError as error:
        raise Unusable("it has no readable first line") from error
    if not isinstance(header, Mapping):
        raise Unusable("it has no readable first line")
    expected = {**_identity(spec), "sha256": hashlib.sha256(content).hexdigest()}
    for name, value in expected.items():
        if header.get(name) != value:
            raise Unusable(f"its {name} is {header.get(name)}, expected {value}")
    return content


def _on_cpu(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.cpu() for name, tensor in tensors.items()}


def _rng_state() -> dict[str, Any]:
    """The state of every global generator, as tensors and plain values."""
    name, keys, *rest = numpy.random.get_state(legacy=True)
    assert isinstance(keys, numpy.ndarray)
    return {
        "torch": torch.get_rng_state(),
        "python": random.getstate(),
        "numpy": [name, torch.from_numpy(keys.astype(numpy.int64)), *rest],
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def _set_rng_state(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["torch"].cpu())
    random.setstate(state["python"])
    name, keys, *rest = state["numpy"]
    numpy.random.set_state((name, keys.cpu().numpy().astype(numpy.uint32), *rest))
    if state["cuda"] and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([held.cpu() for held in state["cuda"]])
