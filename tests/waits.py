"""A pretended GPU: tensors of the device `meta`, and a count of what a GPU would wait for.

Tensors on `meta` have no values, so an operation that needs one on the host cannot work there. The
mode below notes it and answers with something of the right shape: a learner then trains to its end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

DEVICE = "meta"
# the number of rows of their result is a value, which the host has to read
COUNTED = ("nonzero", "masked_select", "_unique2", "unique_dim", "unique_consecutive", "equal")
COPIES = ("_to_copy", "copy_")


class Waits(TorchDispatchMode):
    """Counts the operations at which the host would wait for a GPU.

    Attributes:
        counts: Their number by name.
    """

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(
        self,
        operation: Any,
        types: Any,
        arguments: Sequence[Any] = (),
        named: Mapping[str, Any] | None = None,
    ) -> Any:
        named = dict(named or {})
        name = operation.overloadpacket.__name__
        tensors = [leaf for leaf in tree_leaves((arguments, named)) if isinstance(leaf, Tensor)]
        there = [tensor for tensor in tensors if tensor.device.type == DEVICE]
        if not there:
            if name in COPIES and torch.device(named.get("device") or "cpu").type == DEVICE:
                self._note_copy(name, named)
            return operation(*arguments, **named)
        if name == "_local_scalar_dense":
            self.counts["item"] += 1
            return 1
        if name == "_to_copy" and torch.device(named.get("device") or DEVICE).type == "cpu":
            self.counts["copy to the host"] += 1
            return torch.zeros(there[0].shape, dtype=named.get("dtype") or there[0].dtype)
        self._check_devices(name, arguments, named, tensors)
        if name in COUNTED or _selects(name, arguments):
            self.counts[name] += 1
            return _answered(operation, arguments, named)
        return operation(*arguments, **named)

    def _note_copy(self, name: str, named: Mapping[str, Any]) -> None:
        if not named.get("non_blocking"):
            self.counts["copy to the device"] += 1

    def _check_devices(
        self,
        name: str,
        arguments: Sequence[Any],
        named: Mapping[str, Any],
        tensors: Sequence[Tensor],
    ) -> None:
        """A GPU takes numbers and indices from the host; anything else on two devices is an error.

        It waits until it has the indices.
        """
        here = [tensor for tensor in tensors if tensor.device.type == "cpu" and tensor.ndim]
        if not here:
            return
        if name.startswith(("index", "_index")) or name in COPIES:
            self.counts["copy to the device"] += name not in COPIES or not (
                named.get("non_blocking") or arguments[2:3] == (True,)
            )
            return
        raise AssertionError(f"{name} on two devices at once")


def _selects(name: str, arguments: Sequence[Any]) -> bool:
    """Whether a mask chooses the entries: their number is a value."""
    if not name.startswith(("index", "_index")) or not isinstance(arguments[1], Sequence):
        return False
    return any(index is not None and index.dtype == torch.bool for index in arguments[1])


def _answered(operation: Callable[..., Any], arguments: Any, named: Any) -> Any:
    """The result for ones in place of the values."""
    ones = tree_map_only(
        Tensor, lambda one: torch.ones(one.shape, dtype=one.dtype), (arguments, named)
    )
    result = operation(*ones[0], **ones[1])
    return tree_map_only(Tensor, lambda one: one.to(DEVICE), result)
