"""What SI does in each step, in a few passes over all parameters."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from nanocl.strategies._compiled import Rows, are_dense, fits

Tensors = list[Tensor]


class PathSteps:
    """The two halves of a step, around the optimizer's update."""

    def __init__(self) -> None:
        self._rows: dict[str, Rows] = {}
        self._steps = 0
        self._model: nn.Module | None = None
        self._named: dict[str, nn.Parameter] = {}

    def begin(self) -> None:
        """Start an experience: the model may have other parameters."""
        self._model = None

    def named(self, model: nn.Module) -> dict[str, nn.Parameter]:
        """Name to parameter of the model, looked up once in an experience."""
        if self._model is not model:
            self._model, self._named = model, dict(model.named_parameters())
        return self._named

    def state_dict(self) -> dict[str, Any]:
        """Nothing: all of it follows from the arguments of the next step."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""

    def __reduce__(self) -> tuple[Any, ...]:
        return PathSteps, ()  # addresses are of no use to a copy

    def own_gradients(
        self,
        used: tuple[Tensors, Tensors],
        penalty: tuple[Tensors, Tensors],
        copies: tuple[Tensors, Tensors],
        scale: float,
    ) -> None:
        """Copy the weights, and the gradients with `scale * omega * (weight - anchor)` added.

        Args:
            used: Gradients and parameters.
            penalty: Anchors and omegas.
            copies: Where the gradients and the weights are copied to.
            scale: Minus the factor of the penalty's gradient.
        """
        self._steps += 1
        rows = self._fitting("own_gradients", used, (*penalty, *copies))
        if rows is not None:
            rows.run(scale, dict(enumerate(used)))
            return
        gradient, weight = copies
        anchor, omega = penalty
        torch._foreach_copy_(gradient, used[0])
        torch._foreach_copy_(weight, used[1])
        offsets = torch._foreach_sub(weight, anchor)
        torch._foreach_addcmul_(gradient, offsets, omega, scale)

    def add_to_path(
        self, after: Tensors, before: Tensors, gradient: Tensors, path: Tensors
    ) -> None:
        """Equation 3: path += -g (w_after - w_before) = g (w_before - w_after)."""
        rows = self._fitting("add_to_path", (after,), (before, gradient, path))
        if rows is not None:
            rows.run(changed={0: after})
            return
        torch._foreach_addcmul_(path, gradient, torch._foreach_sub(before, after))

    def _fitting(
        self, loop: str, changing: Sequence[Tensors], held: Sequence[Tensors]
    ) -> Rows | None:
        """The rows of a loop for these tensors; None where PyTorch's operations must do."""
        rows = self._rows.get(loop)
        if rows is None or not rows.hold(held):
            if not fits(self._steps, chain(*changing, *held)):
                return None
            rows = self._rows[loop] = Rows(loop, (*changing, *held))
        return rows if are_dense([*chain(*changing)], rows.kind) else None
