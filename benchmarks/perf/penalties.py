"""What EWC and SI add to the training of AdamW, and how much of it is their own arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

import numba  # noqa: F401 - loaded first, so that each step runs the compiled loops
import torch
from lengths import Settings, spec_of
from paths import clock

from nanocl.strategies._compiled import Rows
from nanocl.strategies.ewc import EWC
from nanocl.strategies.si import SI
from nanocl.training import assembly
from nanocl.training.context import Context
from nanocl.training.loop import Learner

BASE = "adamw"
PENALTIES = {"ewc+adamw": EWC, "si+adamw": SI}


@dataclass
class _Spent:
    """Seconds, see `ratios`."""

    training: float = 0.0
    loops: float = 0.0
    additions: float = 0.0
    importances: float = 0.0


def ratios(
    stream: str, settings: Settings, context: Context, repeats: int
) -> dict[str, dict[str, float]]:
    """Penalty to its costs in times of the training of AdamW.

    All learners train on each experience in turn, so that other load of the machine meets each.
    The first experience, which has no penalty yet, does not count. Values are medians over the
    repeats. `training` is all of it; `loops` is the arithmetic of its steps; `additions` is what it
    takes to add two gradients in each step, as autograd does with those of loss and penalty,
    measured after each experience; `importances` is what it computes after an experience, such as
    the Fisher information; `rest` is `training` without these three.
    """
    rounds = [_round(stream, settings, context) for _ in range(repeats)]
    return {name: _medians([spents[name] for spents in rounds]) for name in PENALTIES}


def _medians(spents: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(median(one[name] for one in spents), 4) for name in spents[0]}


def _round(stream: str, settings: Settings, context: Context) -> dict[str, dict[str, float]]:
    spents = {name: _Spent() for name in (BASE, *PENALTIES)}
    learners = {}
    for name in spents:
        learners[name], scenario = assembly.build(spec_of(stream, name, settings), context)
    for position, experience in enumerate(scenario.train_stream):
        for name, learner in learners.items():
            spent = spents[name] if position else _Spent()
            with _timed(PENALTIES.get(name), spent, context.device):
                start = clock(context.device)
                learner.train(experience, eval_streams=[])
                spent.training += clock(context.device) - start
            if name in PENALTIES:
                spent.additions += _additions(learner, context.device)
    base = spents.pop(BASE).training
    return {name: _shares(spent, base) for name, spent in spents.items()}


def _additions(learner: Learner, device: str) -> float:
    """Seconds of an addition to each gradient in every step of the experience just trained."""
    pairs = [
        (p.grad, torch.zeros_like(p)) for p in learner.model.parameters() if p.grad is not None
    ]
    start = clock(device)
    for _ in range(learner.clock.train_exp_iterations):
        for gradient, pull in pairs:
            gradient += pull
    return clock(device) - start


def _shares(spent: _Spent, base: float) -> dict[str, float]:
    arithmetic = spent.loops + spent.additions + spent.importances
    return {
        "training": spent.training / base,
        "loops": spent.loops / base,
        "additions": spent.additions / base,
        "importances": spent.importances / base,
        "rest": (spent.training - arithmetic) / base,
    }


@contextmanager
def _timed(penalty: type | None, spent: _Spent, device: str) -> Iterator[None]:
    """Add what the penalty computes meanwhile to `spent`."""
    if penalty is None:
        yield
        return
    loop, importances = Rows.run, penalty.after_training_exp
    Rows.run = _adding(loop, spent, "loops", device)
    penalty.after_training_exp = _adding(importances, spent, "importances", device)
    try:
        yield
    finally:
        Rows.run, penalty.after_training_exp = loop, importances


def _adding(call: Callable[..., Any], spent: _Spent, name: str, device: str) -> Callable[..., Any]:
    def timed(*args: Any, **kwargs: Any) -> Any:
        start = clock(device)
        value = call(*args, **kwargs)
        setattr(spent, name, getattr(spent, name) + clock(device) - start)
        return value

    return timed
