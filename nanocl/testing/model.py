"""Conformance check of models."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from nanocl.plugins.state import same_values
from nanocl.testing._claims import claim, declared, silence
from nanocl.training.randomness import global_seed


def check_model(
    cls: type,
    options: Mapping[str, Any] | None = None,
    *,
    inputs: tuple[int, ...] = (3, 32, 32),
    samples: Tensor | None = None,
) -> None:
    """Check that a model keeps the plugin contract.

    The model must

    - take the input shape and keyword-only options with plain types and defaults;
    - have a docstring with a line `Source:`, and a BibTeX `citation` or none;
    - draw its initial weights from torch's global generator only, and share none with another
      instance;
    - return one vector of length `features` per sample, the same in a mini-batch and alone when in
      eval mode;
    - pass a gradient to every trainable parameter;
    - give the same outputs as a copy that loads its `state_dict`;
    - print nothing.

    Args:
        cls: The model's class, derived from `torch.nn.Module`.
        options: Its options; a small network makes the check fast.
        inputs: Shape of one input, without the batch dimension.
        samples: A mini-batch for a model that does not take real numbers, such as token numbers of
            shape (N, tokens); by default 6 inputs from the standard normal distribution.

    Raises:
        NotConforming: The model breaks a rule; the message states the first broken one.
    """
    claim(
        isinstance(cls, type) and issubclass(cls, nn.Module),
        f"{cls!r} must be a class derived from nn.Module",
    )
    declared(cls, positional=1)
    name = cls.__name__
    with silence(cls):
        model, same, other = (_make(cls, options, inputs, seed) for seed in (1, 1, 2))
        _instances_agree(model, same, name)
        if samples is None:
            samples = torch.randn(6, *inputs, generator=torch.Generator().manual_seed(0))
        _outputs_are_right(model, samples, name)
        _gradients_arrive(model, samples, name)
        _state_is_complete(model, other, samples, name)


def _instances_agree(model: nn.Module, same: nn.Module, name: str) -> None:
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


def _state_is_complete(
    model: nn.Module,
    other: nn.Module,
    samples: Tensor,
    name: str,
) -> None:
    copied = copy.deepcopy(other)
    copied.load_state_dict(model.state_dict())
    claim(
        same_values(_outputs(copied, samples), _outputs(model, samples)),
        f"{name}: a copy that loads the model's state_dict must give the same outputs",
    )


def _make(
    cls: type,
    options: Mapping[str, Any] | None,
    inputs: tuple[int, ...],
    seed: int,
) -> nn.Module:
    with global_seed(seed):
        return cls(inputs, **(options or {}))


def _outputs(model: nn.Module, samples: Tensor) -> Tensor:
    with torch.no_grad():
        return model.eval()(samples)


def _outputs_are_right(model: nn.Module, samples: Tensor, name: str) -> None:
    together = _outputs(model, samples)
    claim(
        tuple(together.shape) == (len(samples), model.features),
        f"{name}: {len(samples)} inputs must give the shape ({len(samples)}, {model.features}), "
        f"got {tuple(together.shape)}",
    )
    alone = torch.cat([_outputs(model, sample[None]) for sample in samples])
    claim(
        torch.allclose(alone, together, rtol=1e-3, atol=1e-4 * float(together.abs().max())),
        f"{name}: in eval mode a sample must give the same output alone and in a mini-batch",
    )


def _gradients_arrive(model: nn.Module, samples: Tensor, name: str) -> None:
    with global_seed(1):
        model.train()(samples).square().sum().backward()
    missing = [label for label, p in model.named_parameters() if p.requires_grad and p.grad is None]
    claim(
        not missing,
        f"{name}: every trainable parameter must get a gradient, {', '.join(missing[:3])} got none",
    )
