"""The diagonal of the Fisher information, exactly: squared gradients of single samples, never of mini-batches.

The Fisher of a model with outputs f(x) is the mean over samples of J' H J, where J is the Jacobian
of the outputs and H the Fisher of the outputs' distribution. With vectors v such that H = sum of v
v' ("roots"), its diagonal is the sum of squares of J' v: one backward pass a root, and the squares
are taken for each sample on its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from avalanche.models import avalanche_forward
from torch import Tensor, nn
from torch.utils.data import DataLoader

from nanocl.data.batches import MiniBatches, tensor_parts
from nanocl.strategies._penalty import zeros
from nanocl.strategies._samples import squared_gradients

KINDS = ("exact", "sampled", "empirical", "batched")
CHUNK = 64  # samples of one forward pass; convolutions keep their patches meanwhile


def estimate(strategy: Any, kind: str, samples: int, draw: int) -> dict[str, Tensor]:
    """The diagonal Fisher of an Avalanche strategy's model on its experience; `draw` numbers the random subsets."""
    dataset = strategy.experience.dataset
    if kind == "batched":
        return batched_fisher(
            strategy.model, dataset, strategy._criterion, strategy.train_mb_size, strategy.device
        )
    return diagonal_fisher(
        strategy.model,
        dataset,
        kind=kind,
        samples=samples,
        device=strategy.device,
        seed=getattr(strategy, "seed", 0) * 1_000_003 + draw,
    )


def diagonal_fisher(
    model: nn.Module,
    dataset,
    *,
    kind: str,
    samples: int,
    seed: int,
    device: torch.device | str = "cpu",
) -> dict[str, Tensor]:
    """Mean over a random subset of samples of the squared gradient of the log-likelihood, in eval mode.

    Args:
        model: Called with inputs and task labels; a classifier, or for float targets the mean of a
            unit Gaussian.
        dataset: An Avalanche data set; no random augmentation is applied.
        kind: `exact` takes the expectation over the model's labels, `sampled` one label a sample
            drawn from the model, `empirical` the true label.
        samples: Size of the subset, 0 for all.
        seed: Of the subset and of the drawn labels; torch's global generator is left alone.

    Returns:
        Parameter name to a tensor of the parameter's shape.
    """
    generator = torch.Generator().manual_seed(seed)
    total, count = zeros(model), 0
    with _evaluating(model):
        for inputs, targets, labels in read(dataset, CHUNK, samples=samples, generator=generator):
            inputs, targets, labels = inputs.to(device), targets.to(device), labels.to(device)
            count += len(inputs)
            for label in labels.unique().tolist():  # an own head sees the rows of its label alone
                rows = labels == label
                vectors = partial(roots, targets=targets[rows], kind=kind, generator=generator)
                squared_gradients(model, inputs[rows], labels[rows], vectors, total)
    return {name: value / count for name, value in total.items()}


def roots(
    scores: Tensor, targets: Tensor, kind: str, generator: torch.Generator
) -> Iterator[Tensor]:
    """Vectors v, one a sample, whose outer products sum to the Fisher of the outputs; shape of `scores`."""
    if targets.is_floating_point():
        yield from _gaussian_roots(scores, targets, kind, generator)
        return
    chances = scores.softmax(1)
    if kind == "exact":
        for label in (
            (chances > 0).any(0).nonzero().flatten().tolist()
        ):  # a closed class has probability 0
            yield (
                _residual(chances, torch.full_like(targets, label)) * chances[:, label, None].sqrt()
            )
    elif kind == "sampled":
        drawn = torch.multinomial(chances.cpu(), 1, generator=generator).squeeze(1)
        yield _residual(chances, drawn.to(scores.device))
    else:
        yield _residual(chances, targets)


def batched_fisher(
    model: nn.Module, dataset, criterion, batch_size: int, device: torch.device | str = "cpu"
) -> dict[str, Tensor]:
    """Avalanche's estimate: the mean over mini-batches, in order, of the squared gradient of their mean loss."""
    total, count = zeros(model), 0
    trained = [(name, p) for name, p in model.named_parameters() if name in total]
    with _evaluating(model):
        for inputs, targets, labels in read(dataset, batch_size):
            loss = criterion(
                avalanche_forward(model, inputs.to(device), labels.to(device)), targets.to(device)
            )
            gradients = torch.autograd.grad(loss, [p for _, p in trained], allow_unused=True)
            for (name, _), gradient in zip(trained, gradients, strict=True):
                if gradient is not None:
                    total[name] += gradient.square()
            count += 1
    return {name: value / count for name, value in total.items()}


def read(
    dataset, batch_size: int, *, samples: int = 0, generator: torch.Generator | None = None
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """(inputs, targets, task labels) without augmentation: all in order, or `samples` of them chosen at random."""
    chosen = torch.arange(len(dataset))
    if 0 < samples < len(dataset):
        chosen = torch.randperm(len(dataset), generator=generator)[:samples].sort().values
    parts = tensor_parts(dataset)
    if parts is None:
        subset = dataset.eval().subset(chosen.tolist())
        for values in DataLoader(
            subset, batch_size, collate_fn=getattr(subset, "collate_fn", None)
        ):
            yield values[0], values[1], values[-1]
        return
    start, kept = 0, []
    for part, rows in parts:
        kept.append((part, rows[chosen[(chosen >= start) & (chosen < start + len(rows))] - start]))
        start += len(rows)
    yield from MiniBatches(kept, batch_size)


def _residual(chances: Tensor, labels: Tensor) -> Tensor:
    """One-hot label minus probabilities; 1 - p as the sum of the others, which keeps its digits when p is near 1."""
    others = chances.scatter(1, labels[:, None], 0.0)
    return (-others).scatter(1, labels[:, None], others.sum(1, keepdim=True))


def _gaussian_roots(
    scores: Tensor, targets: Tensor, kind: str, generator: torch.Generator
) -> Iterator[Tensor]:
    if kind == "exact":
        for column in range(scores.shape[1]):
            root = torch.zeros_like(scores)
            root[:, column] = 1.0
            yield root
    elif kind == "sampled":
        yield torch.randn(scores.shape, generator=generator).to(scores)
    else:
        yield targets - scores


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.enable_grad():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
