"""What a model answers on kept data: loss, accuracy, and KL divergence from its start."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import default_collate

from nanocl.integrations.facts import Digest
from nanocl.training import randomness

LABELS = ("labels", "label", "label_ids")
IGNORED = -100  # a label that counts for nothing, as in torch and transformers
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


class Answer(NamedTuple):
    """What a model answers on a mini-batch.

    Attributes:
        logits: (N, C), a row for each sample or token that counts; None where there are none.
        labels: (N,) classes; None without them.
        loss: Mean loss of the mini-batch, None without labels.
        size: Samples or tokens that the mean is over.
    """

    logits: Tensor | None
    labels: Tensor | None
    loss: Tensor | None
    size: int


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
    """By kept task what `measured` returns and, at the start, the fingerprint of its samples."""
    digests = {name: Digest() for name in keep} if is_start else {}
    kept = {name: measured(model, one, reader, digests.get(name)) for name, one in keep.items()}
    return kept, {name: str(digest) for name, digest in digests.items() if str(digest)}


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
    if callable(kept) and not hasattr(kept, "__getitem__"):
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
        """Keep the answers of this model."""
        answers = self._answers(model)
        self.start = [one.log_softmax(-1).cpu() for one in answers]

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


def answer(model: nn.Module, batch: Any) -> Answer:
    """The answer on one mini-batch: a mapping of arguments, or inputs and targets."""
    if not isinstance(batch, Mapping):
        inputs, targets = batch[0], batch[-1]
        logits = model(inputs)
        if targets.is_floating_point():
            return Answer(None, None, functional.mse_loss(logits, targets), len(targets))
        return Answer(logits, targets, functional.cross_entropy(logits, targets), len(targets))
    output = model(**_renamed(batch))
    return _of_output(output, _labels(batch), batch.get("attention_mask"), is_causal(model))


def is_causal(model: Any) -> bool:
    """Whether position t of the logits answers label t + 1."""
    name = type(_inner(model)).__name__
    return "CausalLM" in name or "LMHead" in name


def _of_output(output: Any, labels: Tensor | None, mask: Tensor | None, causal: bool) -> Answer:
    logits, loss = getattr(output, "logits", None), getattr(output, "loss", None)
    size = len(labels) if labels is not None else 0
    is_of_classes = labels is not None and not labels.is_floating_point()
    if not isinstance(logits, Tensor):
        return Answer(None, None, loss, size)
    if logits.ndim == 2:
        if is_of_classes and labels is not None and labels.ndim == 1 and logits.shape[1] > 1:
            return Answer(logits, labels, loss, size)
        return Answer(logits if logits.shape[1] > 1 else None, None, loss, size)
    if is_of_classes and labels is not None and labels.shape == logits.shape[:2]:
        if causal:
            logits, labels = logits[:, :-1], labels[:, 1:]
        counted = labels != IGNORED
        return Answer(logits[counted], labels[counted], loss, int(counted.sum()))
    rows = logits.flatten(0, -2) if mask is None else logits[mask.bool()]
    return Answer(rows, None, loss, size)


def _columns(model: Any) -> set[str] | None:
    """Names of samples' fields that the model takes; None if it takes any."""
    parameters = inspect.signature(_inner(model).forward).parameters
    return {*parameters, *LABELS} if len(parameters) > 1 else None


def _inner(model: Any) -> Any:
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _only(sample: Any, columns: set[str] | None) -> Any:
    if not isinstance(sample, Mapping) or columns is None:
        return sample
    return {name: value for name, value in sample.items() if name in columns}


def _renamed(batch: Mapping[str, Any]) -> dict[str, Any]:
    return {"labels" if name in LABELS else name: value for name, value in batch.items()}


def _labels(batch: Mapping[str, Any]) -> Tensor | None:
    return next((batch[name] for name in LABELS if name in batch), None)


def _moved(value: Any, device: torch.device) -> Any:
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, Mapping):
        return {name: _moved(item, device) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_moved(item, device) for item in value]
    return value
