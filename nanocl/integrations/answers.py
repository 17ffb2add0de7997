"""What a model answers on one mini-batch: logits, labels that count, and the mean loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.nn import functional

LABELS = ("labels", "label", "label_ids")
IGNORED = -100  # a label that counts for nothing, as in torch and transformers


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
    name = type(without_adapters(model)).__name__
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


def without_adapters(model: Any) -> Any:
    """The model inside of PEFT's."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _renamed(batch: Mapping[str, Any]) -> dict[str, Any]:
    return {"labels" if name in LABELS else name: value for name, value in batch.items()}


def _labels(batch: Mapping[str, Any]) -> Tensor | None:
    return next((batch[name] for name in LABELS if name in batch), None)
