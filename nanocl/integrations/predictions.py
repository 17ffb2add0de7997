"""What a model answers on kept data: loss, accuracy, and KL divergence from its start."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from nanocl.integrations.answers import IGNORED, Answer, answer
from nanocl.integrations.facts import Digest
from nanocl.integrations.fitting import Unmeasurable, described, fitting
from nanocl.integrations.reader import Reader
from nanocl.training import randomness

Metric = Callable[[nn.Module], float | Mapping[str, float]]


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
        ValueError: A data set does not fit the model or has no labels, with its name.
        TypeError: A function returns no number.
    """
    digests = {name: Digest() for name in keep} if is_start else {}
    kept = {}
    for name, one in keep.items():
        shown = f"keep[{name!r}]"
        if is_callable(one):
            kept[name] = returned(model, one, shown)
            continue
        with fitting(model, one, reader, shown) if is_start else nullcontext():
            kept[name] = measured(model, one, reader, digests.get(name))
    return kept, {name: str(digest) for name, digest in digests.items() if str(digest)}


def is_callable(kept: Any) -> bool:
    """Whether this is a function of the model; a data set may be callable, too."""
    return callable(kept) and not hasattr(kept, "__getitem__")


def measured(
    model: nn.Module, kept: Any, reader: Reader, digest: Digest | None = None
) -> dict[str, float]:
    """`loss` and, with labels of classes, `accuracy` on a data set.

    Args:
        model: The model.
        kept: The data set.
        reader: Reads it.
        digest: Takes in each sample of a data set.

    Raises:
        Unmeasurable: The data set has no labels, or none that counts.
    """
    totals = Totals()
    for batch in reader.batches(model, kept, digest=digest):
        found = answer(model, batch)
        if found.loss is None:
            raise Unmeasurable("needs labels for a loss; without them give a function of the model")
        totals.add(found)
    if not totals.count:
        raise Unmeasurable(f"has no sample with a label that counts ({IGNORED} does not)")
    return totals.numbers()


def returned(model: nn.Module, function: Metric, name: str) -> dict[str, float]:
    """What a kept function returns, as numbers with names; a number alone is `value`.

    Raises:
        TypeError: It returns something else.
    """
    value: Any = function(model)
    numbers = value if isinstance(value, Mapping) else {"value": value}
    try:
        return {str(key): float(number) for key, number in numbers.items()}
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(
            f"the function {name} returned {described(value)}; it must return a number, or a "
            "mapping of names to numbers"
        ) from error


class Totals:
    """Sums of answers over mini-batches."""

    def __init__(self) -> None:
        self.count = 0
        self._loss, self._right, self._labelled = 0.0, 0, 0

    def add(self, found: Answer) -> None:
        """Add the answer on a mini-batch; without labels it adds nothing."""
        if found.loss is not None and found.size:  # the mean over no label is NaN
            self._loss += float(found.loss.double()) * found.size
            self.count += found.size
        if found.logits is not None and found.labels is not None:
            self._right += int((found.logits.argmax(-1) == found.labels).sum())
            self._labelled += len(found.labels)

    def numbers(self) -> dict[str, float]:
        """`loss` and, with labels of classes, `accuracy`; neither without labels."""
        loss = {"loss": self._loss / self.count} if self.count else {}
        accuracy = {"accuracy": self._right / self._labelled} if self._labelled else {}
        return {**loss, **accuracy}


class Seen(NamedTuple):
    """A measurement on new data.

    Attributes:
        kl: The divergence from the start; None for a model without logits.
        numbers: As of `Totals.numbers`, on the same samples.
    """

    kl: float | None
    numbers: dict[str, float]


class Divergence:
    """Forward KL in nats from the model at the start to the model now, on the same samples.

    Of a language model it is the mean over tokens: those with a label, else those that the
    attention mask shows. Log-probabilities of the start stay on the CPU: 4 bytes for each sample or
    token and each class.

    Args:
        data: The samples.
        reader: Reads them.
        samples: How many are read.
        name: Of the data, for errors.

    Source: Shenfeld, Pari and Agrawal, 2025, arXiv:2509.04259.
    """

    def __init__(self, data: Any, reader: Reader, samples: int, name: str = "new") -> None:
        self._data, self._reader, self._name = data, reader, name
        self.samples = min(samples, len(data))
        self.start: list[Tensor] = []

    def begin(self, model: nn.Module) -> str:
        """Keep the answers of this model; returns the fingerprint of the samples, empty if unknown.

        Raises:
            ValueError: The data do not fit the model, with their name.
        """
        digest = Digest()
        with fitting(model, self._data, self._reader, self._name, self.samples):
            rows = self._logits(model, Totals(), digest)
            self.start = [one.log_softmax(-1).cpu() for one in rows]
            if self.start and not any(map(len, self.start)):
                raise Unmeasurable(f"has no sample with a label that counts ({IGNORED} does not)")
        return str(digest)

    def now(self, model: nn.Module) -> Seen:
        """The divergence, and loss and accuracy of the same answers."""
        total, count, totals = 0.0, 0, Totals()
        for before, logits in zip(self.start, self._logits(model, totals), strict=True):
            after = logits.cpu().double().log_softmax(-1)
            start = before.double()
            kl = functional.kl_div(after, start, reduction="sum", log_target=True)
            total += float(kl)
            count += len(before)
        return Seen(max(total / count, 0.0) if count else None, totals.numbers())

    def _logits(
        self, model: nn.Module, totals: Totals, digest: Digest | None = None
    ) -> Iterator[Tensor]:
        for batch in self._reader.batches(model, self._data, self.samples, digest):
            found = answer(model, batch)
            totals.add(found)
            if found.logits is not None:
                yield found.logits.float()
