"""Conformance of a model."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from nanocl.testing._claims import claim, declared, global_chance, same_values, silence


def check_model(
    cls: type, options: Mapping[str, Any] | None = None, *, inputs: tuple[int, ...] = (3, 32, 32)
) -> None:
    """Claim that a model keeps the plugin contract.

    Args:
        cls: The model's class; its first argument is the input shape.
        options: Its options; small ones make the check quick.
        inputs: Shape of one input.

    Raises:
        NotConforming: The first claim that does not hold, in one sentence.
    """
    claim(
        isinstance(cls, type) and issubclass(cls, nn.Module),
        f"{cls!r} must be a class derived from nn.Module",
    )
    declared(cls, positional=1)
    name = cls.__name__
    with silence(cls):
        model, same, other = (_make(cls, options, inputs, mark) for mark in (1, 1, 2))
        claim(
            same_values(dict(model.state_dict()), dict(same.state_dict())),
            f"{name}: one seed of torch's global generator must give the same weights",
        )
        claim(
            not any(a is b for a in model.parameters() for b in same.parameters()),
            f"{name}: two instances must not share parameters",
        )
        features = getattr(model, "features", None)
        claim(isinstance(features, int), f"{name}: features must be an int, got {features!r}")
        images = torch.randn(6, *inputs, generator=torch.Generator().manual_seed(0))
        _outputs_are_right(model, images, name)
        _gradients_arrive(model, images, name)
        copied = copy.deepcopy(other)
        copied.load_state_dict(model.state_dict())
        claim(
            same_values(_answer(copied, images), _answer(model, images)),
            f"{name}: a copy with the model's state_dict must give what the model gives",
        )


def _make(
    cls: type, options: Mapping[str, Any] | None, inputs: tuple[int, ...], mark: int
) -> nn.Module:
    with global_chance(mark):
        return cls(inputs, **(options or {}))


def _answer(model: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        return model.eval()(images)


def _outputs_are_right(model: nn.Module, images: Tensor, name: str) -> None:
    answer = _answer(model, images)
    claim(
        tuple(answer.shape) == (len(images), model.features),
        f"{name}: {len(images)} inputs must give the shape ({len(images)}, {model.features}), "
        f"got {tuple(answer.shape)}",
    )
    alone = torch.cat([_answer(model, image[None]) for image in images])
    claim(
        torch.allclose(alone, answer, rtol=1e-3, atol=1e-4 * float(answer.abs().max())),
        f"{name}: in eval mode a sample must give the same alone and in a mini-batch",
    )


def _gradients_arrive(model: nn.Module, images: Tensor, name: str) -> None:
    with global_chance(1):
        model.train()(images).square().sum().backward()
    missing = [label for label, p in model.named_parameters() if p.requires_grad and p.grad is None]
    claim(
        not missing,
        f"{name}: every trainable parameter must get a gradient, {', '.join(missing[:3])} got none",
    )
