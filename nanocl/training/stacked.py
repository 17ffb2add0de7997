"""Networks of one shape computed as one: every tensor of all of them in one stacked tensor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, vmap
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from nanocl.training.heads import Network


class Stack:
    """Networks whose parameters are slices of stacked tensors until `separate`.

    A parameter stays the same object, so its optimizer goes on as before; what the optimizer
    changes in place, the stack computes with. Buffers are copied and must not change meanwhile.

    Attributes:
        networks: The networks, in the order of the first dimension of every stacked tensor.
        tensors: Stacked parameters and buffers by name, shape (S, ...).
    """

    def __init__(self, networks: Sequence[Network]) -> None:
        self.networks = networks
        self._parameters = [dict(network.named_parameters()) for network in networks]
        buffers = [dict(network.named_buffers()) for network in networks]
        self.tensors = {name: _stacked(buffers, name) for name in buffers[0]}
        for name, parameter in self._parameters[0].items():
            joined = _stacked(self._parameters, name)
            for own, part in zip(self._parameters, joined.unbind(0), strict=True):
                own[name].data = part
            self.tensors[name] = joined.requires_grad_(parameter.requires_grad)

    def scores(self, inputs: Tensor, task_label: int) -> Tensor:
        """Scores of each network for its own inputs, (S, N, ...) to (S, N, outputs)."""

        def scores_of(tensors: dict[str, Tensor], rows: Tensor) -> Tensor:
            result: Tensor = functional_call(self.networks[0], tensors, (rows, task_label))
            return result

        with _LinearByRows():
            result: Tensor = vmap(scores_of)(self.tensors, inputs)
        return result

    def backward(self, losses: Tensor, live: Iterable[int]) -> None:
        """Set the gradients of the networks `live` to those of their losses, shape (S,).

        The other networks have no gradient then, as have parameters that a loss does not depend on.
        """
        names = [name for name, tensor in self.tensors.items() if tensor.requires_grad]
        gradients = torch.autograd.grad(
            losses.sum(), [self.tensors[name] for name in names], allow_unused=True
        )
        for own in self._parameters:
            for name in names:
                own[name].grad = None
        for name, gradient in zip(names, gradients, strict=True):
            if gradient is not None:
                parts = gradient.contiguous().unbind(0)  # as alone; optimizers may need it
                for number in live:
                    self._parameters[number][name].grad = parts[number]

    def separate(self) -> None:
        """Give each network memory of its own again."""
        for own in self._parameters:
            for parameter in own.values():
                parameter.data = parameter.data.clone()
                parameter.grad = None


class _LinearByRows(TorchFunctionMode):
    """Linear layers as W x^T: the gradient of W then lies in memory as W does, without a copy."""

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is not functional.linear or args[0].ndim != 2:
            return func(*args, **(kwargs or {}))
        inputs, weight, bias = args
        outputs = (weight @ inputs.t()).t()
        return outputs if bias is None else outputs + bias


def _stacked(tensors: Sequence[Mapping[str, Tensor]], name: str) -> Tensor:
    return torch.stack([own[name].detach() for own in tensors])
