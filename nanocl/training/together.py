"""Several seeds of one learner trained as one batched model, each with the numbers it has alone.

Each seed keeps its own learner: data order, optimizer, evaluation, drift and checkpoints are those
of a run alone. Only forward and backward pass are computed for all seeds at once, and the step of
an optimizer of torch that treats each weight alone.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence
from torch.optim import Optimizer

from nanocl.data.transfer import moved
from nanocl.training.loop import Learner, train_on
from nanocl.training.measure import Meter
from nanocl.training.outcome import Outcome
from nanocl.training.stacked import Stack

# one step over the parameters of all seeds is the steps of each seed
ELEMENTWISE = (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW)


@dataclass(eq=False)
class Member:
    """One seed.

    Attributes:
        learner, meter, outcome: Those of its run.
        experiences: Those left to be trained, see `loop.experiences`.
    """

    learner: Learner
    meter: Meter
    outcome: Outcome
    experiences: Iterator[Any]


def train(members: Sequence[Member]) -> None:
    """Train each member to its end; their outcomes and meters say what became of them.

    Members that resume at different experiences train together from where the last one is.
    """
    due = _next(members)
    while due:
        number = min(experience.current_experience for experience in due.values())
        now = {m: e for m, e in due.items() if e.current_experience == number}
        if len(now) == 1:
            ((alone, experience),) = now.items()
            train_on(alone.learner, experience, alone.meter, alone.outcome)
        else:
            _train_on(list(now), list(now.values()))
        due = {m: e for m, e in due.items() if m not in now} | _next(list(now))


def _next(members: Sequence[Member]) -> dict[Member, Any]:
    """The next experience of each member that has one."""
    following = {member: next(member.experiences, None) for member in members}
    return {member: experience for member, experience in following.items() if experience}


def _train_on(members: Sequence[Member], experiences: Sequence[Any]) -> None:
    learners = [member.learner for member in members]
    with ExitStack() as timing:
        for member in members:
            timing.enter_context(member.meter.training(shared_by=len(members)))
        for learner, experience in zip(learners, experiences, strict=True):
            learner.begin(experience)
        group = Group(members, Stack([learner.model for learner in learners]), joined(learners))
        for _ in range(learners[0].train_epochs):
            for learner in learners:
                learner._before_training_epoch()
            group.train_epoch(experiences[0].task_label)
            for learner in learners:
                learner._after_training_epoch()
        group.stack.separate()
        for learner in learners:
            learner.end()


@dataclass
class Group:
    """The members that train an experience together.

    Attributes:
        members: All of them.
        stack: Their networks.
        optimizer: One for all, or None if each member's own takes its steps.
    """

    members: Sequence[Member]
    stack: Stack
    optimizer: Optimizer | None
    _weights: dict[tuple[int, ...], Tensor] = field(default_factory=dict)

    def train_epoch(self, task_label: int) -> None:
        """Train until the longest epoch ends; members whose epoch has ended keep their weights."""
        loaders = [member.learner.dataloader for member in self.members]
        device = self.members[0].learner.device
        largest = torch.zeros(len(self.members), device=device)
        for batches in zip_longest(*loaders):
            live = [
                number
                for number, member in enumerate(self.members)
                if batches[number] is not None and member.outcome.status == "ok"
            ]
            if not live:
                continue
            losses = self._losses(batches, live, task_label)
            if device.type == "cpu":
                live = self._finite(losses, live)
            else:  # reading the losses now would let the host wait
                largest = torch.maximum(largest, losses.detach().abs())
            self.stack.backward(losses, live)
            self._step(live)
            for number in live:
                learner = self.members[number].learner
                if learner.curves:
                    learner.loss = losses[number].detach()
                learner._after_training_iteration()
        self._finite(largest, range(len(self.members)))

    def _losses(self, batches: Sequence[Any], live: Sequence[int], task_label: int) -> Tensor:
        """The mean loss of each mini-batch, shape (S,); 0 for members that are not in `live`."""
        learners = [member.learner for member in self.members]
        # where there is no sample: no rows, which padding fills with zeros of weight 0
        inputs, targets = ([batches[live[0]][column][:0]] * len(batches) for column in (0, 1))
        for number in live:
            learners[number].mbatch = batches[number]
            learners[number]._unpack_minibatch()
            learners[number]._before_training_iteration()
            inputs[number], targets[number], _ = learners[number].mbatch
        scores = self.stack.scores(_padded(inputs), task_label)
        losses = _losses(learners[0]._criterion, scores, _padded(targets))
        return (losses * self._weights_of(tuple(map(len, targets)), losses.device)).sum(1)

    def _weights_of(self, counts: tuple[int, ...], device: torch.device) -> Tensor:
        """Weights of samples in the mean of each row, shape (S, N); 0 for padding."""
        if counts not in self._weights:
            sizes = torch.tensor(counts)[:, None]
            weights = (torch.arange(max(counts)) < sizes) / sizes.clamp(min=1)
            self._weights[counts] = moved(weights, device)
        return self._weights[counts]

    def _finite(self, losses: Tensor, numbers: Sequence[int]) -> list[int]:
        """The members whose loss is finite; the others have diverged."""
        values = losses.tolist()
        for number in numbers:
            if not math.isfinite(values[number]):
                self.members[number].outcome.status = "diverged"
        return [number for number in numbers if math.isfinite(values[number])]

    def _step(self, live: Sequence[int]) -> None:
        if self.optimizer:
            self.optimizer.step()  # members that are not in `live` have no gradient
            return
        for number in live:
            self.members[number].learner.optimizer_step()


def _padded(rows: Sequence[Tensor]) -> Tensor:
    """One tensor (S, N, ...) of S mini-batches, zeros behind the shorter ones."""
    if len({len(row) for row in rows}) == 1:
        return torch.stack(list(rows))  # one copy for all
    return pad_sequence(list(rows), batch_first=True)


def _losses(criterion: nn.Module, scores: Tensor, targets: Tensor) -> Tensor:
    """The loss of each sample, shape (S, N)."""
    if isinstance(criterion, nn.MSELoss):
        return functional.mse_loss(scores, targets, reduction="none").mean(2)
    losses = functional.cross_entropy(scores.flatten(0, 1), targets.flatten(), reduction="none")
    return losses.view_as(targets)


def joined(learners: Sequence[Learner]) -> Optimizer | None:
    """One optimizer that takes the steps of all, on their state; None if each must take its own."""
    optimizers = [learner.optimizer for learner in learners]
    first = optimizers[0]
    options = [_options(optimizer) for optimizer in optimizers]
    hooks = [*first._optimizer_step_pre_hooks, *first._optimizer_step_post_hooks]
    is_scheduled = learners[0].training.schedule != "constant"  # rates differ within an epoch
    if (
        type(first) not in ELEMENTWISE
        or hooks
        or is_scheduled
        or any(o != options[0] for o in options)
    ):
        return None
    one = copy.copy(first)
    of_each = [optimizer.param_groups for optimizer in optimizers]
    one.param_groups = [_merged(groups) for groups in zip(*of_each, strict=True)]
    one.state = {
        param: optimizer.state.setdefault(param, {})
        for optimizer in optimizers
        for group in optimizer.param_groups
        for param in group["params"]
    }
    return one


def _merged(groups: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One group with the parameters of all, which have the same options."""
    return {**groups[0], "params": list(chain.from_iterable(group["params"] for group in groups))}


def _options(optimizer: Optimizer) -> list[dict[str, Any]]:
    """The options of each group, without its parameters."""
    return [{**group, "params": None} for group in optimizer.param_groups]
