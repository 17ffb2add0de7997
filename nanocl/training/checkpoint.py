"""What a run needs to resume after a crash, bit for bit.

One file is written after each experience. Another is written from time to time within one; it goes
on from the first, which has the state that the experience began with.

See `verified` for the format. The data order needs no saving, since it depends on seed and
experience only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from nanocl.plugins.state import load_state, state_of, unsaved
from nanocl.records import Drift, RunSpec
from nanocl.training import randomness, verified
from nanocl.training.checkpoint_files import within
from nanocl.training.drift import DriftMeter
from nanocl.training.epochs import Resumption
from nanocl.training.loop import Learner
from nanocl.training.measure import Meter
from nanocl.training.outcome import Outcome
from nanocl.training.verified import Unsavable, Unusable

SCHEMA = "nanocl-checkpoint/4"


def save(
    path: Path,
    spec: RunSpec,
    learner: Learner,
    meter: Meter,
    drift: DriftMeter,
    outcome: Outcome,
) -> None:
    """Write everything after an experience, atomically.

    Raises:
        OSError: It cannot be written.
        Unsavable: The run could not resume with the same numbers.
    """
    state = {
        **_state_of(learner, meter),
        "drift": drift.state_dict(),
        # not `asdict`: its deep copy of all experiences so far would take longer after each
        "outcome": {**vars(outcome), "drift": [vars(entry) for entry in outcome.drift]},
        "function": learner.function.state_dict(),
        "statistics": learner.statistics.kept if learner.statistics else {},
        "random": randomness.state(),
    }
    verified.write(path, _identity(spec, learner), state)
    within(path).unlink(missing_ok=True)


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
        Unusable: The file is damaged, or of another run, version or device; nothing was changed.
        OSError: It cannot be read.
    """
    state = verified.read(path, _identity(spec, learner))
    learner.model.to(learner.device)
    learner.make_optimizer(reset_optimizer_state=True)
    _put_back(state, learner, meter)
    drift.load_state_dict({name: _on_cpu(tensors) for name, tensors in state["drift"].items()})
    learner.function.load_state_dict(state["function"])
    if learner.statistics:
        learner.statistics.kept = state["statistics"]
    randomness.restore(state["random"])
    values = {f.name: state["outcome"][f.name] for f in fields(Outcome)}
    return Outcome(**{**values, "drift": [Drift(**entry) for entry in values["drift"]]})


def save_within(path: Path, spec: RunSpec, learner: Learner, meter: Meter) -> None:
    """Write where the current experience is, atomically.

    Args:
        path: Of the checkpoint that `save` writes.

    Raises:
        OSError, Unsavable: As in `save`.
    """
    state = {
        **_state_of(learner, meter),
        "experience": learner.experience.current_experience,
        "beginning": learner.beginning,
        "random": randomness.state(),
        "largest": learner.largest,
    }
    verified.write(within(path), _identity(spec, learner), state)


def load_within(
    path: Path, spec: RunSpec, learner: Learner, meter: Meter, experience: int
) -> Resumption | None:
    """How an interrupted experience goes on; None if it was not saved.

    Args:
        path: Of the checkpoint that `save` writes.
        experience: Number of the next experience to be trained.

    Raises:
        Unusable: As in `load`.
        OSError: It cannot be read.
    """
    inner = within(path)
    if not inner.exists():
        return None
    state = verified.read(inner, _identity(spec, learner))
    if state["experience"] != experience:  # left behind when the next checkpoint was written
        return None
    clock = state["clock"]
    return Resumption(
        epoch=clock["train_exp_epochs"],
        iteration=clock["train_epoch_iterations"],
        beginning=state["beginning"],
        restore=partial(_put_back_within, state, learner, meter),
        random=state["random"],
        begin=meter.begin,
    )


def _check_savable(strategies: Sequence[Any]) -> None:
    for strategy in strategies:
        names = unsaved(strategy)
        if names:
            raise Unsavable(
                f"{type(strategy).__name__}.{names[0]} is no tensor, plain value or object made of "
                "those; give the class state_dict and load_state_dict"
            )


def _state_of(learner: Learner, meter: Meter) -> dict[str, Any]:
    """What training changes with every mini-batch, except random numbers."""
    _check_savable(learner.strategies)
    clock = {name: value for name, value in vars(learner.clock).items() if isinstance(value, int)}
    return {
        "model": learner.model.state_dict(),
        "trained": {name: p.requires_grad for name, p in learner.model.named_parameters()},
        "optimizer": learner.optimizer.state_dict(),
        "strategies": [state_of(strategy) for strategy in learner.strategies],
        "clock": clock,
        "meter": meter.state_dict(),
        "tracking": learner.tracker.state_dict() if learner.tracker else {},
        "curves": learner.curves.state_dict() if learner.curves else {},
        "mastery": learner.mastery.state_dict() if learner.mastery else {},
    }


def _put_back(state: Mapping[str, Any], learner: Learner, meter: Meter) -> None:
    learner.model.load_state_dict(state["model"])
    for name, parameter in learner.model.named_parameters():
        parameter.requires_grad_(state["trained"][name])
    learner.optimizer.load_state_dict(state["optimizer"])
    for strategy, saved in zip(learner.strategies, state["strategies"], strict=True):
        load_state(strategy, saved)
    for name, value in state["clock"].items():
        setattr(learner.clock, name, value)
    meter.load_state_dict(state["meter"])
    if learner.tracker:
        learner.tracker.load_state_dict(state["tracking"])
    if learner.curves and state.get("curves"):  # the run may not have been logged before
        learner.curves.load_state_dict(state["curves"])
    if learner.mastery:
        learner.mastery.load_state_dict(state["mastery"])


def _put_back_within(state: Mapping[str, Any], learner: Learner, meter: Meter) -> None:
    try:
        _put_back(state, learner, meter)
        learner.largest = state["largest"]
        if learner.mastery and learner.mastery.is_reached:  # interrupted after its last mini-batch
            learner.stop_training()
    except Exception as error:
        raise Unusable(f"it does not fit the learner: {error}") from error


def _identity(spec: RunSpec, learner: Learner) -> dict[str, str]:
    """What a checkpoint must have in common with the run that goes on from it."""
    measuring = {name: str(value) for name, value in asdict(learner.measuring).items()}
    versions = verified.versions(learner.device)
    return {"schema": SCHEMA, "digest": spec.digest, **measuring, **versions}


def _on_cpu(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.cpu() for name, tensor in tensors.items()}
