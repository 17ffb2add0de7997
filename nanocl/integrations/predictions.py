"""What a model answers on kept data: loss, accuracy, and KL divergence from its start."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import default_collate

from nanocl.data.conversion import VALUES
from nanocl.integrations.answers import LABELS, answer, without_adapters
from nanocl.integrations.facts import Digest
from nanocl.integrations.fitting import fitting
from nanocl.training import randomness

Metric = Callable[[nn.Module], float | Mapping[str, float]]


class Reader(NamedTuple):
    """How samples become mini-batches.

    Attributes:
        batch_size: Samples of one.
        collate: Makes one of a list of samples; None for torch's own.
    """

    batch_size: int = 8
    collate: Callable[[list[Any]], Any] | None = None

    def batches(
        self,
        model: nn.Module,
        data: Any,
        most: int | None = None,
        digest: Digest | None = None,
    ) -> Iterator[Any]:
        """Mini-batches of the first samples, on the model's device, in the order of the data.

        Args:
            model: The model that takes them.
            data: Samples.
            most: How many; None for all.
            digest: Takes in each sample.
        """
        count = len(data) if most is None else min(most, len(data))
        columns = _columns(model)
        device = next(model.parameters()).device
        # no DataLoader: it would draw a seed from the generator that training uses
        for first in range(0, count, self.batch_size):
            last = min(first + self.batch_size, count)
            samples = [_only(data[i], columns) for i in range(first, last)]
            if digest is not None:
                for sample in samples:  # one by one: mini-batches of any size have one fingerprint
                    digest.add(sample)
            yield _moved((self.collate or default_collate)(samples), device)


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; modes and generators are afterwards as they were."""
    modes = {module: module.training for module in model.modules()}
    saved = randomness.state()
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        randomness.restore(saved)
        for module, mode in modes.items():
            module.training = mode


def all_measured(
    model: nn.Module, keep: Mapping[str, Any], reader: Reader, is_start: bool
) -> tuple[dict[str, dict[str, float]], dict[str, str]]:
    """By kept task what `measured` returns and, at the start, the fingerprint of its samples.

    Raises:
        ValueError: A data set does not fit the model, with its name, or has no labels.
    """
    digests = {name: Digest() for name in keep} if is_start else {}
    kept = {}
    for name, one in keep.items():
        if is_callable(one):
            kept[name] = measured(model, one, reader)
            continue
        batches = reader.batches(model, one)
        with fitting(model, batches, f"keep[{name!r}]") if is_start else nullcontext():
            kept[name] = measured(model, one, reader, digests.get(name))
    return kept, {name: str(digest) for name, digest in digests.items() if str(digest)}


def is_callable(kept: Any) -> bool:
    """Whether this is a function of the model; a data set may be callable, too."""
    return callable(kept) and not hasattr(kept, "__getitem__")


def measured(
    model: nn.Module, kept: Any, reader: Reader, digest: Digest | None = None
) -> dict[str, float]:
    """`loss` and, with labels of classes, `accuracy` on a data set; or what a callable returns.

    Args:
        model: The model.
        kept: The data set or callable.
        reader: Reads it.
        digest: Takes in each sample of a data set.
    """
    if is_callable(kept):
        value = kept(model)
        if isinstance(value, Mapping):
            return {str(name): float(number) for name, number in value.items()}
        return {"value": float(value)}
    loss, right, count, labelled = 0.0, 0, 0, 0
    for batch in reader.batches(model, kept, digest=digest):
        found = answer(model, batch)
        if found.loss is None:
            raise ValueError("a kept data set needs labels; give a callable of the model instead")
        if found.size:  # the mean over no label is NaN
            loss += float(found.loss.double()) * found.size
        count += found.size
        if found.logits is not None and found.labels is not None:
            right += int((found.logits.argmax(-1) == found.labels).sum())
            labelled += len(found.labels)
    if not count:
        raise ValueError("a kept data set has no sample with a label that counts")
    accuracy = {"accuracy": right / labelled} if labelled else {}
    return {"loss": loss / count, **accuracy}


class Divergence:
    """Forward KL in nats from the model at the start to the model now, on the same samples.

    Of a language model it is the mean over tokens: those with a label, else those that the
    attention mask shows. Log-probabilities of the start stay on the CPU: 4 bytes for each sample or
    token and each class.

    Source: Shenfeld, Pari and Agrawal, 2025, arXiv:2509.04259.
    """

    def __init__(self, data: Any, reader: Reader, samples: int) -> None:
        self._data, self._reader = data, reader
        self.samples = min(samples, len(data))
        self.start: list[Tensor] = []

    def begin(self, model: nn.Module) -> None:
        """Keep the answers of this model.

        Raises:
            ValueError: The data do not fit the model.
        """
        with fitting(model, self._reader.batches(model, self._data, self.samples), "new"):
            self.start = [one.log_softmax(-1).cpu() for one in self._answers(model)]

    def now(self, model: nn.Module) -> float | None:
        """The divergence; None for a model without logits."""
        total, count = 0.0, 0
        for before, logits in zip(self.start, self._answers(model), strict=True):
            after = logits.cpu().double().log_softmax(-1)
            start = before.double()
            kl = functional.kl_div(after, start, reduction="sum", log_target=True)
            total += float(kl)
            count += len(before)
        return max(total / count, 0.0) if count else None

    def _answers(self, model: nn.Module) -> Iterator[Tensor]:
        for batch in self._reader.batches(model, self._data, self.samples):
            logits = answer(model, batch).logits
            if logits is not None:
                yield logits.float()


def _columns(model: Any) -> set[str] | None:
    """Names of samples' fields that the model takes; None if it takes any."""
    parameters = inspect.signature(without_adapters(model).forward).parameters
    return {*parameters, *LABELS} if len(parameters) > 1 else None


def _only(sample: Any, columns: set[str] | None) -> Any:
    if not isinstance(sample, Mapping) or columns is None:
        return sample
    return {name: value for name, value in sample.items() if name in columns}


def _moved(value: Any, device: torch.device) -> Any:
    if isinstance(value, Tensor):
        if value.is_meta:
            raise ValueError(f"a sample is on the meta device, which holds no values; {VALUES}")
        return value.to(device)
    if isinstance(value, Mapping):
        return {name: _moved(item, device) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_moved(item, device) for item in value]
    return value
