"""Parameter drift: against the start of the stream and against the previous experience."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from nanocl.records import Drift

_BITS = {
    1: torch.uint8,
    2: torch.int16,
    4: torch.int32,
    8: torch.int64,
}
Tensors = Mapping[str, Tensor]
Squares = Mapping[str, float]
Take = Callable[[nn.Module], dict[str, Tensor]]


class Change(NamedTuple):
    """What the columns of one tensor, or of several added up, are made of; sums in float64.

    Attributes:
        square: ||now - ref||^2.
        before: ||ref||^2.
        after: ||now||^2.
        dot: <ref, now>.
        touched: Entries whose bits differ.
        entries: All of them.
    """

    square: float
    before: float
    after: float
    dot: float
    touched: int
    entries: int


class DriftMeter:
    """Measures a model after each experience against two snapshots: the start and the last one.

    Groups: `backbone` (trainable parameters without the output layer), `head`, `all` (both), and
    `buffers` (floating-point buffers such as BatchNorm statistics). A parameter that did not exist
    in the snapshot, or had another shape, is left out. `take` makes the snapshots.
    """

    def __init__(self, model: nn.Module, head: set[str], take: Take | None = None) -> None:
        self.head = head
        self._take = take or snapshot
        self.start = self._take(model)
        self.previous = self.start
        self._squares: tuple[Squares, Squares] | None = None
        self._order: tuple[list[str], Tensor] | None = None

    def measure(self, model: nn.Module) -> Drift:
        """Drift of the model as it is now; it becomes the `previous` of the next measurement."""
        drift, now, of_now = self._compare(model)
        self.previous = now
        if self._squares is not None:
            self._squares = self._squares[0], of_now
        return drift

    def look(self, model: nn.Module) -> Drift:
        """Drift of the model as it is now; the `previous` stays as it is."""
        return self._compare(model)[0]

    def _compare(self, model: nn.Module) -> tuple[Drift, dict[str, Tensor], Squares]:
        now = self._take(model)
        if self._squares is None:
            self._squares = squares(self.start), squares(self.previous)
        of_start, of_previous = self._squares
        of_now = squares(now)
        from_start = changes(self.start, now, of_start, of_now)
        from_previous = from_start
        if self.previous is not self.start:
            from_previous = changes(self.previous, now, of_previous, of_now)
        layers = {
            name: (change.square**0.5, _relative(change))
            for name, change in from_start.items()
            if not name.startswith("buffer:")
        }
        backbone = [name for name in layers if name not in self.head]
        distances = [layers[name][0] for name in backbone]
        drift = Drift(
            start=self._columns(from_start),
            previous=self._columns(from_previous),
            deciles=self._deciles(now, backbone),
            average_tensor=sum(distances) / len(distances) if distances else None,
            layers=layers,
        )
        return drift, now, of_now

    def state_dict(self) -> dict[str, dict[str, Tensor]]:
        """Both snapshots."""
        return {"start": dict(self.start), "previous": dict(self.previous)}

    def load_state_dict(self, state: Mapping[str, dict[str, Tensor]]) -> None:
        """Set both snapshots."""
        self.start = state["start"]
        self._squares = None
        self._order = None
        self.previous = state["previous"]

    def _deciles(self, now: Tensors, backbone: list[str]) -> tuple[float, ...]:
        """See `change_by_magnitude`; the start does not change, so it is sorted once."""
        reference = _flat(self.start, backbone)
        if self._order is None or self._order[0] != backbone:
            self._order = backbone, smallest_first(reference)
        return change_by_magnitude(reference, _flat(now, backbone), self._order[1])

    def _columns(self, by_name: Mapping[str, Change]) -> dict[str, dict[str, float | None]]:
        """The columns of each group that has tensors."""
        parameters = [name for name in by_name if not name.startswith("buffer:")]
        groups = {
            "backbone": [name for name in parameters if name not in self.head],
            "head": [name for name in parameters if name in self.head],
            "all": parameters,
            "buffers": [name for name in by_name if name.startswith("buffer:")],
        }
        measured = {}
        for group, names in groups.items():
            if names:
                measured[group] = columns([by_name[name] for name in names])
        return measured


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    """CPU copies of trainable parameters by name, and of float buffers as `buffer:<name>`."""
    tensors = {
        name: p.detach().cpu().clone() for name, p in model.named_parameters() if p.requires_grad
    }
    return tensors | buffers(model)


def buffers(model: nn.Module) -> dict[str, Tensor]:
    """CPU copies of float buffers as `buffer:<name>`."""
    return {
        f"buffer:{name}": b.detach().cpu().clone()
        for name, b in model.named_buffers()
        if b.is_floating_point()
    }


def squares(tensors: Tensors) -> dict[str, float]:
    """||x||^2 of each tensor."""
    return {name: _square(tensor) for name, tensor in tensors.items()}


def changes(reference: Tensors, now: Tensors, before: Squares, after: Squares) -> dict[str, Change]:
    """How each tensor changed that is there, with the same shape, in both snapshots.

    Args:
        reference, now: The snapshots.
        before, after: Their `squares`.
    """
    changed = {}
    for name, tensor in now.items():
        old = reference.get(name)
        if old is None or old.shape != tensor.shape:
            continue
        changed[name] = Change(
            square=_square(tensor - old),
            before=before[name],
            after=after[name],
            dot=_double(old).mul_(tensor).sum().item(),
            touched=_touched(old, tensor),
            entries=tensor.numel(),
        )
    return changed


def columns(group: Sequence[Change]) -> dict[str, float | None]:
    """Drift columns over a group of tensors.

    Returns:
        `l2` ||now - ref||, `relative` l2 / ||ref||, `mean_squared` l2^2 / n (the 'distance' of the
        teacher-student tables), `touched` the share of entries whose bits differ, `cosine`
        cos(now, ref). None where a norm is 0.
    """
    total = Change(*(sum(values) for values in zip(*group, strict=True)))
    before, after = total.before**0.5, total.after**0.5
    return {
        "l2": total.square**0.5,
        "relative": _relative(total),
        "mean_squared": total.square / total.entries,
        "touched": total.touched / total.entries,
        "cosine": total.dot / (before * after) if before and after else None,
    }


def smallest_first(reference: Tensor) -> Tensor:
    """The places of a tensor's entries by ascending magnitude, in as few bytes as torch can use."""
    magnitude = reference.abs()
    count = len(magnitude)
    if count >= 2**31:
        return magnitude.argsort(stable=True)
    if magnitude.dtype != torch.float32:
        return magnitude.argsort(stable=True).int()
    # the bits of floats that are not negative order as the floats do; numpy sorts 16 bits by radix,
    # so that the lower half and then the upper half take linear time
    bits = magnitude.view(torch.int32).numpy()
    order = bits.astype(np.uint16).argsort(kind="stable")
    upper = (bits >> 16).astype(np.uint16)[order]
    return torch.from_numpy(order[upper.argsort(kind="stable")].astype(np.int32))


def change_by_magnitude(
    reference: Tensor, now: Tensor, order: Tensor | None = None
) -> tuple[float, ...]:
    """Mean |change| in each tenth of |reference|, smallest first; empty for fewer than 10 entries.

    It shows whether the small weights carry the change (Zhou et al., 'Pay Attention to Small
    Weights', NeurIPS 2025, arXiv:2506.21374).

    Args:
        reference, now: Flat tensors of the same length.
        order: `smallest_first(reference)`, if it is known.
    """
    if reference.numel() < 10:
        return ()
    # sort |now - ref| by |ref|, cut into ten parts of (nearly) equal size, and average each
    order = smallest_first(reference) if order is None else order
    change = (now - reference).abs().index_select(0, order)  # 6 times as fast as [order]
    return tuple(part.double().mean().item() for part in change.tensor_split(10))


def _flat(tensors: Tensors, names: list[str]) -> Tensor:
    if names:
        return torch.cat([tensors[name].flatten() for name in names])
    return torch.empty(0)


def _touched(old: Tensor, now: Tensor) -> int:
    """The number of entries whose bits differ."""
    differs = _bits(old).numpy() != _bits(now).numpy()
    return int(np.count_nonzero(differs))  # 4 times as fast as torch's


def _bits(tensor: Tensor) -> Tensor:
    # -0.0 == 0.0 and NaN != NaN, but a weight that was written to has other bits
    return tensor.view(_BITS[tensor.element_size()])


def _square(tensor: Tensor) -> float:
    # ||x||^2 in float64: a sum of float32 squares would lose the small ones
    return _double(tensor).square_().sum().item()


def _double(tensor: Tensor) -> Tensor:
    """A copy in float64, for changes in place: each further tensor takes new memory."""
    return tensor.to(torch.float64, copy=True)


def _relative(change: Change) -> float | None:
    return change.square**0.5 / change.before**0.5 if change.before else None
