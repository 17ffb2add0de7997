"""What a run needs to resume after a crash, bit for bit.

A checkpoint is written after each experience and removed at the end of the run.

A checkpoint holds tensors and plain values only and is read with `weights_only=True`: a file from
elsewhere cannot run code. The data order needs no saving, since it depends on seed and experience
only.
"""

from __future__ import annotations

import random
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import Tensor

from nanocl.records import Drift, files
from nanocl.training.drift import DriftMeter
from nanocl.training.loop import Learner, Outcome
from nanocl.training.measure import Meter

METER = ("seconds", "steps", "samples", "strategy_bytes")


def save(path: Path, learner: Learner, meter: Meter, drift: DriftMeter, outcome: Outcome) -> None:
    """Write everything atomically."""
    clock = {name: value for name, value in vars(learner.clock).items() if isinstance(value, int)}
    meters = {name: getattr(meter, name) for name in METER}
    state = {
        "model": learner.model.state_dict(),
        "optimizer": learner.optimizer.state_dict(),
        "strategies": [strategy.state_dict() for strategy in learner.strategies],
        "clock": clock,
        "meter": meters,
        "drift": drift.state_dict(),
        "outcome": asdict(outcome),
        "statistics": learner.statistics.kept if learner.statistics else {},
        "random": _rng_state(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.replacing(path) as temporary:
        torch.save(state, temporary)


def load(path: Path, learner: Learner, meter: Meter, drift: DriftMeter) -> Outcome:
    """Restore a learner and its instruments; returns what was measured before the checkpoint."""
    state = torch.load(path, weights_only=True, map_location=learner.device)
    learner.model.to(learner.device)
    learner.model.load_state_dict(state["model"])
    learner.make_optimizer(reset_optimizer_state=True)
    learner.optimizer.load_state_dict(state["optimizer"])
    for strategy, saved in zip(learner.strategies, state["strategies"], strict=True):
        strategy.load_state_dict(saved)
    for instrument, values in ((learner.clock, state["clock"]), (meter, state["meter"])):
        for name, value in values.items():
            setattr(instrument, name, value)
    drift.load_state_dict({name: _on_cpu(tensors) for name, tensors in state["drift"].items()})
    if learner.statistics:
        learner.statistics.kept = state["statistics"]
    _set_rng_state(state["random"])
    values = {f.name: state["outcome"][f.name] for f in fields(Outcome)}
    return Outcome(**{**values, "drift": [Drift(**entry) for entry in values["drift"]]})


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
