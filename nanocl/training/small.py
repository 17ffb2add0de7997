"""A stream and a learner so small that training takes a fraction of a second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from nanocl.data.batches import Preparation, TensorDataset
from nanocl.records import Training
from nanocl.streams import Scenario, make_scenario
from nanocl.training.adapters import drift_meter
from nanocl.training.heads import Network
from nanocl.training.loop import Learner, train
from nanocl.training.measure import Meter
from nanocl.training.outcome import Outcome

if TYPE_CHECKING:
    from avalanche.training.plugins import SupervisedPlugin

HEADS = {"class": "seen", "task": "own", "domain": "shared"}
SIDE = 4


class SmallBackbone(nn.Sequential):
    """A linear layer with batch normalisation: it has weights, biases and running statistics."""

    features = 12

    def __init__(self) -> None:
        super().__init__(nn.Flatten(), nn.Linear(SIDE * SIDE, 12), nn.BatchNorm1d(12), nn.ReLU())


def small_stream(
    scenario: str = "class",
    *,
    experiences: int = 3,
    samples: int = 12,
    measure: str = "accuracy",
    seed: int = 0,
) -> Scenario:
    """A stream of noisy 4x4 images.

    Each experience has two classes, or with `measure="loss"` two pixels of the image as targets.

    Args:
        scenario: `class`, `task` or `domain`.
        experiences: Number of experiences.
        samples: Training samples per class, and test samples per class.
        measure: `accuracy`, or `loss` for regression (domain-incremental only).
        seed: Seed of the images.
    """
    rows = 2 * samples
    stored = _images(experiences, rows, seed)
    prepare = Preparation(scale=torch.tensor([1 / 64.0]), shift=torch.tensor([-2.0]))

    def part(experience: int, train: bool) -> TensorDataset:
        first = 2 * rows * experience + (0 if train else rows)
        own = torch.arange(first, first + rows)
        targets = _targets(own, stored, experience, scenario, measure)
        return TensorDataset(
            stored,
            own,
            targets,
            task_label=experience,
            prepare=prepare,
            train=train,
        )

    outputs = 2 if scenario == "domain" else 2 * experiences
    return make_scenario(
        kind=scenario,
        train=[part(i, True) for i in range(experiences)],
        test=[part(i, False) for i in range(experiences)],
        inputs=(1, SIDE, SIDE),
        outputs=outputs,
        measure=measure,
    )


def small_learner(
    scenario: Scenario,
    strategies: Sequence[SupervisedPlugin] = (),
    *,
    seed: int = 0,
    head: str = "",
    epochs: int = 2,
    batch_size: int = 8,
    backbone: nn.Module | None = None,
    device: str = "cpu",
) -> Learner:
    """A learner for a small stream.

    Args:
        scenario: The stream, from `small_stream`.
        strategies: Strategies to compose; the first with a method `make_optimizer` makes the
            optimizer, else it is AdamW.
        seed: Seed of the initial weights and of the learner.
        head: Kind of output layer, see `nanocl.records.Training.head`; empty for the usual one of
            the scenario.
        epochs: Passes over each experience.
        batch_size: Of training.
        backbone: The network without its output layer; None for `SmallBackbone`.
        device: Where to train.
    """
    torch.manual_seed(seed)
    kind = head or ("shared" if scenario.measure == "loss" else HEADS[scenario.kind])
    network = Network(
        backbone or SmallBackbone(),
        outputs=scenario.outputs,
        classes=scenario.classes,
        kind=kind,
    ).to(device)
    return Learner(
        model=network,
        optimizer=_optimizer(strategies, network),
        strategies=strategies,
        seed=seed,
        measure=scenario.measure,
        training=Training(epochs=epochs, batch_size=batch_size),
        device=device,
    )


def run(
    learner: Learner,
    scenario: Scenario,
    *,
    after_experience: Callable[[Outcome], None] | None = None,
) -> Outcome:
    """Train the learner on all experiences in order, and test it on all of them after each.

    Args:
        learner: From `small_learner`.
        scenario: From `small_stream`.
        after_experience: Called with the measurements so far after each experience.
    """
    drift = drift_meter(learner.model)
    return train(learner, scenario, Meter(), drift=drift, after_experience=after_experience)


def _images(experiences: int, rows: int, seed: int) -> Tensor:
    """Stored images: for each experience `rows` for training and `rows` for testing."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randint(60, 196, (experiences, 2, SIDE * SIDE), generator=generator)
    images = []
    for experience in range(experiences):
        # the centres of the two classes alternate from row to row
        noise = torch.randint(-50, 50, (2 * rows, SIDE * SIDE), generator=generator)
        images.append(centres[experience].repeat(rows, 1) + noise)
    return torch.cat(images).to(torch.uint8).view(-1, 1, SIDE, SIDE)


def _optimizer(strategies: Sequence[SupervisedPlugin], network: Network) -> torch.optim.Optimizer:
    for strategy in strategies:
        if hasattr(strategy, "make_optimizer"):
            return strategy.make_optimizer(network)
    return torch.optim.AdamW(network.parameters())


def _targets(
    own: Tensor,
    stored: Tensor,
    experience: int,
    scenario: str,
    measure: str,
) -> Tensor:
    """Targets of the rows `own`; classes alternate from row to row."""
    if measure == "loss":
        return stored[own].flatten(1)[:, experience : experience + 2].to(torch.float32) / 64 - 2
    position = torch.arange(len(own)) % 2
    return position if scenario == "domain" else 2 * experience + position
