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
    """The answer on one mini-batch: a mapping of arguments, inputs and targets, or inputs alone."""
    if isinstance(batch, Tensor) or (not isinstance(batch, Mapping) and len(batch) == 1):
        logits = model(batch if isinstance(batch, Tensor) else batch[0])
        return Answer(logits, None, None, 0)
    if not isinstance(batch, Mapping):
        return _of_pair(model(batch[0]), batch[-1])
    output = model(**_renamed(batch))
    return _of_output(output, _labels(batch), batch.get("attention_mask"), is_causal(model))


def _of_pair(logits: Tensor, targets: Tensor) -> Answer:
    if targets.is_floating_point():
        if logits.shape != targets.shape:  # torch would compare each answer with each target
            raise ValueError(
                f"answers of shape {[*logits.shape]} do not fit targets of shape {[*targets.shape]}"
            )
        return Answer(None, None, functional.mse_loss(logits, targets), len(targets))
    loss = functional.cross_entropy(logits, targets, ignore_index=IGNORED)
    return _counted(logits.movedim(1, -1), targets, loss)


def _counted(logits: Tensor, labels: Tensor, loss: Tensor | None) -> Answer:
    """The rows of (..., C) logits whose labels are not ignored."""
    counted = labels != IGNORED
    return Answer(logits[counted], labels[counted], loss, int(counted.sum()))


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
            return _counted(logits, labels, loss)
        return Answer(logits if logits.shape[1] > 1 else None, None, loss, size)
    if is_of_classes and labels is not None and labels.shape == logits.shape[:2]:
        if causal:
            logits, labels = logits[:, :-1], labels[:, 1:]
        return _counted(logits, labels, loss)
    rows = logits.flatten(0, -2) if mask is None else logits[mask.bool()]
    return Answer(rows, None, loss, size)


def without_adapters(model: Any) -> Any:
    """The model inside of PEFT's."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _renamed(batch: Mapping[str, Any]) -> dict[str, Any]:
    return {"labels" if name in LABELS else name: value for name, value in batch.items()}


def _labels(batch: Mapping[str, Any]) -> Tensor | None:
    return next((batch[name] for name in LABELS if name in batch), None)
