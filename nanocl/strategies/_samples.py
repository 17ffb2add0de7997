"""Sums over samples of squared gradients, without a backward pass for each sample.

One forward pass of a mini-batch records the inputs and outputs of each layer. One backward pass to
the layers' outputs gives the gradient of every sample there. Each layer turns it into the gradient
of its parameters: for a linear layer the sum of squares is one matrix product; for other layers
`torch.func` maps over the samples. A model of another form takes a backward pass for each sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, cast

import torch
from avalanche.models import avalanche_forward
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap
from torch.nn import functional
from torch.utils.hooks import RemovableHandle

Roots = Callable[[Tensor], Iterable[Tensor]]

LARGEST = 2**23  # entries of the gradients of single samples that are in memory at once


@dataclass
class Call:
    """One call of a layer; `patches` caches the unfolded input of a convolution by first row."""

    arguments: tuple
    named: dict[str, Any]
    output: Tensor
    patches: dict[int, Tensor] = field(default_factory=dict)


@dataclass
class Layer:
    """A module, its parameters (own name to name in the model), its calls in a forward pass."""

    module: nn.Module
    names: dict[str, str]
    calls: list[Call] = field(default_factory=list)


def squared_gradients(
    model: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    roots: Roots,
    total: dict[str, Tensor],
) -> None:
    """Add to `total` the sum over samples and roots of the squared gradient of `outputs . root`.

    Args:
        model: In evaluation mode, so that the output of a sample depends on that sample only; one
            that `is_layered`.
        inputs, labels: A mini-batch and its task labels.
        roots: From the outputs, shape (N, outputs), to vectors of that shape.
        total: Parameter name to the sum so far; changed in place.
    """
    layers = layers_of(model, total)
    scores = record(model, layers, inputs, labels)
    called = [layer for layer in layers if layer.calls]
    outputs = [call.output for layer in called for call in layer.calls]
    for root in roots(scores.detach()):
        # J' v up to the outputs of the layers; each layer completes it
        gradients = torch.autograd.grad(scores, outputs, root, retain_graph=True, allow_unused=True)
        arrived = iter(gradients)
        for layer in called:
            _add(layer, [next(arrived) for _ in layer.calls], total)


def one_by_one(
    model: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    roots: Roots,
    total: dict[str, Tensor],
) -> None:
    """As `squared_gradients`, for any model, with a backward pass for each sample and root."""
    parameters = [model.get_parameter(name) for name in total]
    with torch.no_grad():
        scores = avalanche_forward(model, inputs, labels)
    vectors = [*roots(scores)]
    for row in range(len(inputs)):
        own = slice(row, row + 1)
        score = avalanche_forward(model, inputs[own], labels[own])
        for root in vectors:
            gradients = torch.autograd.grad(
                score, parameters, root[own], retain_graph=True, allow_unused=True
            )
            for name, gradient in zip(total, gradients, strict=True):
                if gradient is not None:
                    total[name] += gradient.square()


def layers_of(model: nn.Module, wanted: Iterable[str]) -> list[Layer]:
    """The outermost modules that own a parameter, each with all parameters below it."""
    layers: list[Layer] = []
    paths: list[str] = []
    for path, module in model.named_modules():
        if any(path.startswith(f"{above}.") or above == "" for above in paths):
            continue
        if next(module.parameters(recurse=False), None) is not None:
            own = [name for name, _ in module.named_parameters()]
            full = {name: f"{path}.{name}" if path else name for name in own}
            names = {name: long for name, long in full.items() if long in wanted}
            layers.append(Layer(module, names))
            paths.append(path)
    return [layer for layer in layers if layer.names]


def record(
    model: nn.Module,
    layers: list[Layer],
    inputs: Tensor,
    labels: Tensor,
    *,
    cut: bool = False,
) -> Tensor:
    """The model's outputs; appends every call of a layer to its `calls`.

    With `cut`, the model goes on with outputs that do not depend on anything before them.
    """

    def watch(layer: Layer) -> RemovableHandle:
        def hook(
            module: nn.Module,
            arguments: tuple,
            named: dict[str, Any],
            output: Any,
        ) -> Any:
            first = output[0] if isinstance(output, tuple) else output
            if cut:
                first = first.detach().requires_grad_()
            layer.calls.append(Call(arguments, named, first))
            # the model goes on with a copy: an in-place operation must not change the record
            if isinstance(output, tuple):
                return (first.clone(), *output[1:])
            return first.clone()

        return layer.module.register_forward_hook(hook, with_kwargs=True)

    handles = [watch(layer) for layer in layers]
    try:
        return avalanche_forward(model, inputs, labels)
    finally:
        for handle in handles:
            handle.remove()


def _add(layer: Layer, deltas: list[Tensor | None], total: dict[str, Tensor]) -> None:
    """Add a layer's squared gradients; `deltas` are the gradients at the outputs of its calls."""
    used = [
        (call, delta) for call, delta in zip(layer.calls, deltas, strict=True) if delta is not None
    ]
    if isinstance(layer.module, nn.Linear) and len(used) == 1 and used[0][1].ndim == 2:
        _add_linear(layer, *used[0], total)
        return
    each = _each_convolution if is_plain_convolution(layer.module) else gradients_of
    count = max(1, LARGEST // sum(p.numel() for p in layer.module.parameters()))
    for start in range(0, len(used[0][1]) if used else 0, count):
        gradients = [each(layer, call, delta, slice(start, start + count)) for call, delta in used]
        for name, long in layer.names.items():
            # a layer called twice: the gradient of a sample is the sum over calls, then squared
            of_samples = reduce(torch.add, [g[name] for g in gradients])
            total[long] += of_samples.square().sum(0)


def _add_linear(
    layer: Layer,
    call: Call,
    delta: Tensor,
    total: dict[str, Tensor],
) -> None:
    # the gradient of a sample is delta x', so the sum of its squares is (delta^2)' (x^2)
    squares = delta.square()
    if "weight" in layer.names:
        total[layer.names["weight"]].addmm_(squares.T, call.arguments[0].detach().square())
    if "bias" in layer.names:
        total[layer.names["bias"]] += squares.sum(0)


def gradients_of(
    layer: Layer,
    call: Call,
    delta: Tensor,
    rows: slice,
) -> dict[str, Tensor]:
    """The gradient of each sample, shape (n, *parameter), by `torch.func`."""
    values = {
        name: p.detach() for name, p in layer.module.named_parameters() if name in layer.names
    }
    batched = tuple(a.detach()[rows] if isinstance(a, Tensor) else a for a in call.arguments)

    def one(arguments: tuple, gradient: Tensor) -> dict[str, Tensor]:
        def run(parameters: dict[str, Tensor]) -> Tensor:
            singles = tuple(a[None] if isinstance(a, Tensor) else a for a in arguments)
            output = functional_call(layer.module, parameters, singles, call.named)
            if isinstance(output, tuple):
                return output[0]
            return output

        return vjp(run, values)[1](gradient[None])[0]

    places = tuple(0 if isinstance(a, Tensor) else None for a in batched)
    return vmap(one, in_dims=(places, 0))(batched, delta[rows])


def is_plain_convolution(module: nn.Module) -> bool:
    return (
        isinstance(module, nn.Conv2d)
        and module.groups == 1
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
    )


def _each_convolution(
    layer: Layer,
    call: Call,
    delta: Tensor,
    rows: slice,
) -> dict[str, Tensor]:
    """As `gradients_of`, with one matrix product a sample: delta times its unfolded patches.

    Several times faster than the grouped convolution that vmap would use.
    """
    module = cast(nn.Conv2d, layer.module)
    delta = delta[rows]
    if rows.start not in call.patches:  # they are the same for every root
        call.patches[rows.start] = functional.unfold(
            call.arguments[0].detach()[rows],
            module.kernel_size,
            module.dilation,
            cast(tuple[int, int], module.padding),
            module.stride,
        ).transpose(1, 2)
    weight = torch.bmm(delta.flatten(2), call.patches[rows.start]).view(
        len(delta), *module.weight.shape
    )
    gradients = {"weight": weight, "bias": delta.sum((2, 3))}
    return {name: gradients[name] for name in layer.names}
