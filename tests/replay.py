"""A pretended CUDA graph: the operations of a function, to be run again on the same tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Recording(TorchDispatchMode):
    """Runs a function and records its operations; `replay` repeats them without any Python of it.

    As in a CUDA graph, an operation reads and writes the memory that it had when it was recorded,
    and numbers that are no tensors stay as they were.
    """

    def __init__(self, function: Callable[[], Any]) -> None:
        super().__init__()
        self._calls: list[tuple[Any, Any, Any, Any]] = []
        with self:
            function()

    def __torch_dispatch__(
        self, operation: Any, types: Any, arguments: Any = (), named: Any = None
    ) -> Any:
        name = operation.overloadpacket.__name__
        if name == "_local_scalar_dense":
            raise AssertionError("the host reads a value of a tensor")
        result = operation(*arguments, **(named or {}))
        self._calls.append((operation, arguments, named or {}, result))
        return result

    @torch.no_grad()
    def replay(self) -> None:
        """Run the operations once more."""
        for operation, arguments, named, result in self._calls:
            before = {_place(tensor) for tensor in _tensors((arguments, named))}
            again = operation(*arguments, **named)
            for old, new in zip(_tensors(result), _tensors(again), strict=True):
                if _place(new) not in before:  # neither a view nor an argument changed in place
                    old.copy_(new)


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _place(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
