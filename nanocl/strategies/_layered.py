"""Whether the gradients of single samples can be computed layer by layer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from nanocl.strategies._samples import (
    Call,
    Layer,
    gradients_of,
    is_plain_convolution,
    layers_of,
    record,
)


def is_layered(model: nn.Module, inputs: Tensor, labels: Tensor, wanted: Iterable[str]) -> bool:
    """Whether the gradient at the outputs of the layers decides that of each sample.

    It does not if layers share a parameter, if a parameter is used outside of its layer's forward,
    if a further output of a layer is used (such as the last state of a recurrent one), if the
    samples are not the first dimension of a layer's inputs and outputs, or if `torch.func` cannot
    map over a layer (recurrent ones).
    """
    wanted = [*wanted]
    owners = [id(p) for layer in layers_of(model, wanted) for p in layer.module.parameters()]
    if len(set(owners)) != len(owners):
        return False
    return all(
        _is_layered_for(model, inputs[:count], labels[:count], wanted)
        for count in sorted({1, min(2, len(inputs))})
    )


def _is_layered_for(
    model: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    wanted: Sequence[str],
) -> bool:
    layers = layers_of(model, wanted)
    scores = record(model, layers, inputs, labels, cut=True)
    calls = [(layer, call) for layer in layers for call in layer.calls]
    if not all(_has_samples_first(call, len(inputs)) for _, call in calls):
        return False
    # the outputs are cut off from the parameters: none may reach scores or inputs in another way
    ends = [scores, *(a for _, call in calls for a in call.arguments if isinstance(a, Tensor))]
    reaching = [end.sum() for end in ends if end.requires_grad]
    parameters = [model.get_parameter(name) for name in wanted]
    passing = torch.autograd.grad(reaching, parameters, allow_unused=True)
    return all(gradient is None for gradient in passing) and all(
        _can_map(layer, call) for layer, call in calls
    )


def _has_samples_first(call: Call, count: int) -> bool:
    """Whether all tensors have a row for each sample, and none is given by name."""
    tensors = [value for value in (*call.arguments, call.output) if isinstance(value, Tensor)]
    by_name = any(isinstance(value, Tensor) for value in call.named.values())
    return not by_name and all(one.ndim and len(one) == count for one in tensors)


def _can_map(layer: Layer, call: Call) -> bool:
    if isinstance(layer.module, nn.Linear) or is_plain_convolution(layer.module):
        return True
    try:
        gradients_of(layer, call, torch.zeros_like(call.output), slice(0, 1))
    except RuntimeError:
        return False
    return True
