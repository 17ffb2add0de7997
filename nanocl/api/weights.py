"""How far weights moved between two state dicts, measured as in every run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from nanocl.training.drift import change_by_magnitude, changes, columns, squares

if TYPE_CHECKING:
    import pandas

Numbers = Mapping[str, float | None]


@dataclass(frozen=True)
class StateDrift:
    """How far the weights of one state dict are from those of another.

    Attributes:
        total: `l2` ||after - before||, `relative` l2 / ||before||, `mean_squared` l2^2 / n,
            `touched` (share of entries whose bits differ) and `cosine` of all tensors together;
            None where a norm is 0.
        layers: The same of each tensor by its name.
        deciles: Mean absolute change in each tenth of |before|, smallest first, all tensors
            together; empty for fewer than 10 entries.
        left_out: Names that only one side has, that differ in shape, or that hold no floats.
    """

    total: Numbers
    layers: Mapping[str, Numbers]
    deciles: tuple[float, ...]
    left_out: tuple[str, ...]

    def to_pandas(self) -> pandas.DataFrame:
        """One row a tensor, the last row `all` for all together."""
        import pandas  # here, because it takes half a second

        rows = {**self.layers, "all": self.total}
        return pandas.DataFrame.from_dict(rows, orient="index")


def drift(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> StateDrift:
    """How far the weights moved from one state dict to another.

    `model.state_dict()` shares its memory with the model: keep a copy of it before training,
    `before = {name: tensor.clone() for name, tensor in model.state_dict().items()}`. Pass a part of
    the dictionaries for the drift of that part, such as the backbone.

    Raises:
        ValueError: No tensor is in both with the same shape, types differ, both share memory, or
            one has no values.
    """
    names = [name for name in after if _is_comparable(before.get(name), after[name])]
    everything = dict.fromkeys((*before, *after))
    if not names:
        raise ValueError(
            f"no floating-point tensor is in both state dicts with the same shape, of "
            f"{len(before)} before and {len(after)} after"
        )
    _check(before, after, names)
    start, end = _exact(before, names), _exact(after, names)
    changed = changes(start, end, squares(start), squares(end))
    return StateDrift(
        total=columns([*changed.values()]),
        layers={name: columns([change]) for name, change in changed.items()},
        deciles=change_by_magnitude(_flat(start), _flat(end)),
        left_out=tuple(name for name in everything if name not in changed),
    )


def _exact(state: Mapping[str, Tensor], names: list[str]) -> dict[str, Tensor]:
    """These tensors on the CPU in a type in which a difference is not rounded to a few bits."""
    on_cpu = {name: state[name].detach().cpu() for name in names}
    return {name: t.float() if t.element_size() < 4 else t for name, t in on_cpu.items()}


def _flat(state: Mapping[str, Tensor]) -> Tensor:
    return torch.cat([tensor.flatten() for tensor in state.values()])


def _is_comparable(before: Tensor | None, after: Tensor) -> bool:
    if not isinstance(before, Tensor) or not isinstance(after, Tensor):
        return False
    return before.shape == after.shape and after.is_floating_point() and after.numel() > 0


def _check(before: Mapping[str, Tensor], after: Mapping[str, Tensor], names: list[str]) -> None:
    for name in names:
        if before[name].is_meta or after[name].is_meta:
            raise ValueError(f"{name} is on the meta device, which holds no values")
        if before[name].dtype != after[name].dtype:
            raise ValueError(
                f"{name} must have one type in both, got {before[name].dtype} before and "
                f"{after[name].dtype} after; convert one side with .to()"
            )
    if all(before[name].data_ptr() == after[name].data_ptr() for name in names):
        raise ValueError(
            "before and after are the same memory, so that training changed both; keep a copy "
            "before training: {name: tensor.clone() for name, tensor in "
            "model.state_dict().items()}"
        )
