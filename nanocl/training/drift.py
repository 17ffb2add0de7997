"""Parameter drift: against the start of the stream and against the previous experience."""

from __future__ import annotations

from collections.abc import Mapping

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


class DriftMeter:
    """Measures a model after each experience against two snapshots: the start and the last one.

    Groups: `backbone` (trainable parameters without the output layer), `head`, `all` (both), and
    `buffers` (floating-point buffers such as BatchNorm statistics). A parameter that did not exist
    in the snapshot, or had another shape, is left out.
    """

    def __init__(self, model: nn.Module, head: set[str]) -> None:
        self.head = head
        self.start = snapshot(model)
        self.previous = self.start
        self._order: tuple[list[str], Tensor] | None = None

    def measure(self, model: nn.Module) -> Drift:
        """Drift of the model as it is now; it becomes the `previous` of the next measurement."""
        now = snapshot(model)
        groups = self._groups(now)
        backbone = [name for name in groups["backbone"] if _comparable(self.start, now, name)]
        both = [name for name in groups["all"] if _comparable(self.start, now, name)]
        layers = {}
        for name in both:
            distance = _norm(now[name] - self.start[name])
            layers[name] = (distance, self._relative(now, name))
        distances = [layers[name][0] for name in backbone]
        drift = Drift(
            start=self._compare(self.start, now),
            previous=self._compare(self.previous, now),
            deciles=self._deciles(now, backbone),
            average_tensor=sum(distances) / len(distances) if distances else None,
            layers=layers,
        )
        self.previous = now
        return drift

    def state_dict(self) -> dict[str, dict[str, Tensor]]:
        """Both snapshots."""
        return {"start": dict(self.start), "previous": dict(self.previous)}

    def load_state_dict(self, state: Mapping[str, dict[str, Tensor]]) -> None:
        """Set both snapshots."""
        self.start = state["start"]
        self._order = None
        self.previous = state["previous"]

    def _deciles(self, now: Tensors, backbone: list[str]) -> tuple[float, ...]:
        """See `change_by_magnitude`; the start does not change, so it is sorted once."""
        reference = _flat(self.start, backbone)
        if self._order is None or self._order[0] != backbone:
            self._order = backbone, smallest_first(reference)
        return change_by_magnitude(reference, _flat(now, backbone), self._order[1])

    def _groups(self, tensors: Tensors) -> dict[str, list[str]]:
        parameters = [name for name in tensors if not name.startswith("buffer:")]
        return {
            "backbone": [name for name in parameters if name not in self.head],
            "head": [name for name in parameters if name in self.head],
            "all": parameters,
            "buffers": [name for name in tensors if name.startswith("buffer:")],
        }

    def _compare(self, reference: Tensors, now: Tensors) -> dict[str, dict[str, float | None]]:
        columns = {}
        for group, names in self._groups(now).items():
            names = [name for name in names if _comparable(reference, now, name)]
            if names:
                before = [reference[name] for name in names]
                after = [now[name] for name in names]
                columns[group] = compare(before, after)
        return columns

    def _relative(self, now: Tensors, name: str) -> float | None:
        size = _norm(self.start[name])
        if size:
            return _norm(now[name] - self.start[name]) / size
        return None


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    """CPU copies of trainable parameters by name, and of float buffers as `buffer:<name>`."""
    tensors = {
        name: p.detach().cpu().clone() for name, p in model.named_parameters() if p.requires_grad
    }
    buffers = {
        f"buffer:{name}": b.detach().cpu().clone()
        for name, b in model.named_buffers()
        if b.is_floating_point()
    }
    return tensors | buffers


def compare(reference: list[Tensor], now: list[Tensor]) -> dict[str, float | None]:
    """Drift columns over a group of tensors; sums in float64.

    Returns:
        `l2` ||now - ref||, `relative` l2 / ||ref||, `mean_squared` l2^2 / n (the 'distance' of the
        teacher-student tables), `touched` the share of entries whose bits differ, `cosine`
        cos(now, ref). None where a norm is 0.
    """
    pairs = list(zip(reference, now, strict=True))
    # ||now - ref||^2, then ||ref|| and ||now||, then <now, ref>, each over all tensors of the group
    squares = sum(_square(b - a) for a, b in pairs)
    before = sum(map(_square, reference)) ** 0.5
    after = sum(map(_square, now)) ** 0.5
    dot = sum((a.double() * b.double()).sum().item() for a, b in pairs)
    count = sum(a.numel() for a in reference)
    touched = sum(int((_bits(a) != _bits(b)).sum()) for a, b in pairs)
    return {
        "l2": squares**0.5,
        "relative": squares**0.5 / before if before else None,
        "mean_squared": squares / count,
        "touched": touched / count,
        "cosine": dot / (before * after) if before and after else None,
    }


def smallest_first(reference: Tensor) -> Tensor:
    """The places of a tensor's entries by ascending magnitude, in as few bytes as torch can use."""
    order = reference.abs().argsort(stable=True)
    return order.int() if len(order) < 2**31 else order


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
    change = (now - reference).abs()[smallest_first(reference) if order is None else order]
    return tuple(part.double().mean().item() for part in change.tensor_split(10))


def _comparable(reference: Tensors, now: Tensors, name: str) -> bool:
    return name in reference and reference[name].shape == now[name].shape


def _flat(tensors: Tensors, names: list[str]) -> Tensor:
    if names:
        return torch.cat([tensors[name].flatten() for name in names])
    return torch.empty(0)


def _bits(tensor: Tensor) -> Tensor:
    # -0.0 == 0.0 and NaN != NaN, but a weight that was written to has other bits
    return tensor.view(_BITS[tensor.element_size()])


def _square(tensor: Tensor) -> float:
    # ||x||^2 in float64: a sum of float32 squares would lose the small ones
    return tensor.double().square().sum().item()


def _norm(tensor: Tensor) -> float:
    return _square(tensor) ** 0.5
