"""The exact diagonal of the Fisher information: squared gradients of single samples.

The Fisher of a model with outputs f(x) is the mean over samples of J' H J, where J is the Jacobian
of the outputs and H the Fisher of the outputs' distribution. If H = sum of v v' over some vectors v
("roots"), its diagonal is the sum of squares of J' v. Each root takes one backward pass, and the
squares are taken for each sample, never for the mean of a mini-batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any, cast

import torch
from avalanche.benchmarks.utils import AvalancheDataset
from avalanche.models import avalanche_forward
from torch import Tensor, nn
from torch.utils.data import DataLoader

from nanocl.data.batches import MiniBatches, TensorDataset, tensor_parts
from nanocl.strategies._layered import is_layered
from nanocl.strategies._penalty import zeros
from nanocl.strategies._samples import one_by_one, squared_gradients

KINDS = ("exact", "sampled", "empirical", "batched")
CHUNK = 64  # samples of one forward pass, during which convolutions keep their patches


def estimate(
    strategy: Any,
    kind: str,
    samples: int,
    draw: int,
) -> dict[str, Tensor]:
    """The diagonal Fisher of a learner's model on its experience.

    Args:
        strategy: An Avalanche strategy that is training on the experience.
        kind: One of `KINDS`.
        samples: Size of the random subset, 0 for all samples.
        draw: Number of the random subset; each has its own seed.
    """
    dataset = strategy.experience.dataset
    if kind == "batched":
        return batched_fisher(
            strategy.model,
            dataset,
            strategy._criterion,
            strategy.train_mb_size,
            strategy.device,
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
    dataset: TensorDataset | AvalancheDataset,
    *,
    kind: str,
    samples: int,
    seed: int,
    device: torch.device | str = "cpu",
) -> dict[str, Tensor]:
    """Mean over a random subset of samples of the squared gradient of the log-likelihood.

    Args:
        model: Called with inputs and task labels, in evaluation mode. A classifier; for float
            targets it predicts the mean of a unit Gaussian.
        dataset: Samples, read without random augmentation.
        kind: `exact` takes the expectation over the model's labels, `sampled` one label a sample
            drawn from the model, `empirical` the true label.
        samples: Size of the subset, 0 for all.
        seed: Seed of the subset and of the drawn labels. torch's global generator is not used.
        device: Device of the model.

    Returns:
        Parameter name to a tensor of the parameter's shape.
    """
    generator = torch.Generator().manual_seed(seed)
    total = zeros(model)
    count = 0
    add = None
    with _evaluating(model):
        for inputs, targets, labels in read(dataset, CHUNK, samples=samples, generator=generator):
            inputs = inputs.to(device)
            targets = targets.to(device)
            labels = labels.to(device)
            count += len(inputs)
            if add is None:
                add = squared_gradients if is_layered(model, inputs, labels, total) else one_by_one
            # with a head for each task label, a head's outputs need the rows of its label only
            for label in labels.unique().tolist():
                rows = labels == label
                vectors = partial(roots, targets=targets[rows], kind=kind, generator=generator)
                add(model, inputs[rows], labels[rows], vectors, total)
    # diag F = 1/N sum over samples and roots of (J' v)^2
    return {name: value / count for name, value in total.items()}


def roots(
    scores: Tensor,
    targets: Tensor,
    kind: str,
    generator: torch.Generator,
) -> Iterator[Tensor]:
    """Vectors v whose outer products v v' sum to the Fisher of the outputs.

    Args:
        scores: Outputs of the model, shape (N, outputs).
        targets: Labels, shape (N,), or float targets of a regression.
        kind: `exact`, `sampled` or `empirical`.
        generator: Draws the labels of `sampled`.

    Yields:
        One vector a sample, shape (N, outputs).
    """
    if targets.is_floating_point():
        yield from _gaussian_roots(scores, targets, kind, generator)
        return
    probabilities = scores.softmax(1)
    if kind == "exact":
        # H = sum over labels y of p_y (e_y - p)(e_y - p)', so v_y = sqrt(p_y) (e_y - p);
        # a closed class has probability 0 and needs no backward pass
        possible = (probabilities > 0).any(0).nonzero().flatten()
        for label in possible.tolist():
            weight = probabilities[:, label, None].sqrt()
            yield _residual(probabilities, torch.full_like(targets, label)) * weight
    elif kind == "sampled":
        # one label y ~ p for each sample: v = e_y - p
        drawn = torch.multinomial(probabilities.cpu(), 1, generator=generator).squeeze(1)
        yield _residual(probabilities, drawn.to(scores.device))
    else:
        # the true label y: v = e_y - p
        yield _residual(probabilities, targets)


def batched_fisher(
    model: nn.Module,
    dataset: TensorDataset | AvalancheDataset,
    criterion: Callable[[Tensor, Tensor], Tensor],
    batch_size: int,
    device: torch.device | str = "cpu",
) -> dict[str, Tensor]:
    """Avalanche's estimate: the mean over mini-batches of the squared gradient of their mean loss.

    Unlike the Fisher it depends on the mini-batch size. Mini-batches are read in order.
    """
    total = zeros(model)
    count = 0
    trained = [(name, p) for name, p in model.named_parameters() if name in total]
    with _evaluating(model):
        for inputs, targets, labels in read(dataset, batch_size):
            outputs = avalanche_forward(model, inputs.to(device), labels.to(device))
            loss = criterion(outputs, targets.to(device))
            gradients = torch.autograd.grad(loss, [p for _, p in trained], allow_unused=True)
            for (name, _), gradient in zip(trained, gradients, strict=True):
                if gradient is not None:
                    total[name] += gradient.square()
            count += 1
    return {name: value / count for name, value in total.items()}


def read(
    dataset: TensorDataset | AvalancheDataset,
    batch_size: int,
    *,
    samples: int = 0,
    generator: torch.Generator | None = None,
) -> Iterator[Sequence[Tensor]]:
    """Mini-batches (inputs, targets, task labels) in order, without augmentation.

    Args:
        dataset: The samples.
        batch_size: Samples of a mini-batch.
        samples: Size of a random subset, 0 for all.
        generator: Draws the subset.
    """
    chosen = torch.arange(len(dataset))
    if 0 < samples < len(dataset):
        chosen = torch.randperm(len(dataset), generator=generator)[:samples].sort().values
    parts = tensor_parts(dataset)
    if parts is None:
        subset = cast(AvalancheDataset, dataset).eval().subset(chosen.tolist())
        collate = getattr(subset, "collate_fn", None)
        for values in DataLoader(subset, batch_size, collate_fn=collate):
            yield values[0], values[1], values[-1]
        return
    start = 0
    kept = []
    for part, rows in parts:
        in_part = chosen[(chosen >= start) & (chosen < start + len(rows))]
        kept.append((part, rows[in_part - start]))
        start += len(rows)
    yield from MiniBatches(kept, batch_size)


def _residual(probabilities: Tensor, labels: Tensor) -> Tensor:
    """One-hot label minus probabilities, e_y - p, shape (N, classes)."""
    # 1 - p_y as the sum of the other probabilities: no cancellation when p_y is near 1
    others = probabilities.scatter(1, labels[:, None], 0.0)
    return (-others).scatter(1, labels[:, None], others.sum(1, keepdim=True))


def _gaussian_roots(
    scores: Tensor,
    targets: Tensor,
    kind: str,
    generator: torch.Generator,
) -> Iterator[Tensor]:
    """Roots for targets of a unit Gaussian around the outputs, whose Fisher H is the identity."""
    if kind == "exact":
        # the unit vectors
        for column in range(scores.shape[1]):
            root = torch.zeros_like(scores)
            root[:, column] = 1.0
            yield root
    elif kind == "sampled":
        # the gradient of log p(y) for y drawn from the model: y - f(x), a standard normal vector
        yield torch.randn(scores.shape, generator=generator).to(scores)
    else:
        yield targets - scores


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Put the model in evaluation mode, and every module back in its own mode afterwards.

    The Fisher is estimated in the type of the weights, whatever training computes in.
    """
    modes = {module: module.training for module in model.modules()}
    model.eval()
    plainly = getattr(model, "plainly", nullcontext)
    try:
        with torch.enable_grad(), plainly():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
