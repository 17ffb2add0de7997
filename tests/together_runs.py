"""Seeds of a small learner, trained alone or together, and what they became."""

import dataclasses

import torch
from torch import nn

from nanocl.plugins.catalogue import INSTALLED
from nanocl.records import Part
from nanocl.testing import small_learner, small_stream
from nanocl.training import loop, together
from nanocl.training.drift import DriftMeter
from nanocl.training.measure import Meter
from nanocl.training.outcome import Outcome

SEEDS = (0, 1, 2)
SAMPLES = (12, 15, 11)  # of each class: epochs of 3 or 4 mini-batches, whose last ones differ


class Plain(nn.Sequential):
    """A backbone without buffers."""

    features = 12

    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(16, 12), nn.ReLU(inplace=True))


def members(strategy="adamw", *, samples=SAMPLES, device="cpu", **values):
    """One member a seed; each has a stream of its own, of another length."""
    return [
        member(seed, count, strategy, device, **values)
        for seed, count in zip(SEEDS, samples, strict=True)
    ]


def member(
    seed, samples, strategy, device, *, kind="class", head="", measure="accuracy", **training
):
    scenario = small_stream(kind, samples=samples, measure=measure, seed=seed)
    made = INSTALLED.make("strategies", Part(strategy, {}))
    torch.manual_seed(seed)
    learner = small_learner(scenario, [made], seed=seed, head=head, backbone=Plain(), device=device)
    learner.training = dataclasses.replace(learner.training, **training)
    meter, outcome = Meter(device), Outcome()
    drift = DriftMeter(learner.model, learner.model.head_parameters())
    left = loop.experiences(learner, scenario, meter, outcome, drift=drift)
    return together.Member(learner, meter, outcome, left)


def train_alone(runs):
    for run in runs:
        for experience in run.experiences:
            loop.train_on(run.learner, experience, run.meter, run.outcome)


def assert_equal_to_rounding(ours, theirs):
    """Weights, optimizer states, evaluation and counts of two lists of members."""
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(
            mine.learner.model.state_dict(), other.learner.model.state_dict()
        )
        torch.testing.assert_close(states(mine), states(other))
        evaluations = (torch.tensor(run.outcome.evaluation) for run in (mine, other))
        torch.testing.assert_close(*evaluations)
        assert mine.outcome.status == other.outcome.status
        assert (mine.meter.steps, mine.meter.samples) == (other.meter.steps, other.meter.samples)


def states(run):
    saved = run.learner.optimizer.state_dict()["state"]
    return {number: state for number, state in saved.items() if state}
