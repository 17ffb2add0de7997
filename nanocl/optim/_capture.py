"""Steps that a CUDA graph can replay: their counts are tensors on the device."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

COUNTS = ("step", "chosen")  # entries of a state that a replayed step or selection changes
NUMBERS = ("eps", "weight_decay")


def is_capturing(param: Tensor) -> bool:
    """Whether a CUDA graph is being captured on the stream that would update a parameter."""
    return param.is_cuda and torch.cuda.is_current_stream_capturing()


def uncapturable(name: str, group: dict[str, Any]) -> RuntimeError:
    """The error for a step that a graph cannot replay."""
    hint = ", or set its option capturable" if "capturable" in group else ""
    return RuntimeError(
        f"{name} counts its steps in Python, which a CUDA graph does not replay: capture forward "
        f"and backward, and call step() after each replay{hint}"
    )


def has_counts(state: dict[str, Any], *, on_device: bool) -> bool:
    """Whether the counts of a state are tensors, or numbers, as demanded."""
    return all(isinstance(state[name], Tensor) == on_device for name in COUNTS if name in state)


def take_counts(state: dict[str, Any]) -> None:
    """Make numbers of the counts of a state."""
    if not has_counts(state, on_device=False):
        state.update({name: int(state[name]) for name in COUNTS if name in state})


class StepsSinceSelection:
    """Steps since each selection as the host knows them: replays of a graph are not among them."""

    def __init__(self) -> None:
        # by the tensor `chosen`, since a copied or loaded state has another one
        self._steps: WeakTensorKeyDictionary = WeakTensorKeyDictionary()

    def place_counts(self, state: dict[str, Any], device: torch.device) -> None:
        """Make tensors on the device of the counts of a state."""
        if has_counts(state, on_device=True):
            return
        counts = {name: state[name] for name in COUNTS if name in state}
        for name, count in counts.items():
            # unlike a copy from the host, filling does not wait for the device
            state[name] = torch.full((), count, dtype=torch.int64, device=device)
        if "chosen" in counts:
            self._steps[state["chosen"]] = counts["step"] - counts["chosen"]

    def knows(self, state: dict[str, Any]) -> bool:
        """Whether the host knows the number without a value from the device."""
        return state["chosen"] in self._steps

    def of(self, state: dict[str, Any]) -> int:
        """Steps since the last selection."""
        if not self.knows(state):  # once after the state was copied
            self._steps[state["chosen"]] = int(state["step"] - state["chosen"])
        steps: int = self._steps[state["chosen"]]
        return steps

    def restart(self, state: dict[str, Any]) -> None:
        """Count from a selection that is made now."""
        self._steps[state["chosen"]] = 0

    def add_step(self, state: dict[str, Any]) -> None:
        """Count one more step."""
        self._steps[state["chosen"]] = self.of(state) + 1


def check_capturable(options: dict[str, Any]) -> None:
    """Check the options of a group with `capturable`.

    Raises:
        ValueError: The group has a density schedule, or a tensor other than lr, which the host
            would read in each step.
    """
    for name in ("final_density", "density_interval"):
        if options[name] is not None:
            raise ValueError(
                f"{name} must be None with capturable=True, because a graph holds a fixed number "
                f"of entries, got {options[name]!r}"
            )
    numbers = {"betas": options["betas"], **{name: (options[name],) for name in NUMBERS}}
    for name, values in numbers.items():
        if any(isinstance(value, Tensor) for value in values):
            raise ValueError(
                f"{name} must be a Python number with capturable=True, where only lr may be a "
                f"tensor, got {options[name]!r}"
            )


def check_prepared(name: str, state: dict[str, Any], since: StepsSinceSelection) -> None:
    """Raise RuntimeError unless everything that a captured step changes is on the device."""
    placed = state and has_counts(state, on_device=True)
    if not placed or ("chosen" in state and not since.knows(state)):
        raise RuntimeError(
            f"{name} prepares the state of a parameter in its first step, also after it was loaded "
            "or copied, which no graph replays: call step() before the capture"
        )


def check_lr(lr: Any, device: torch.device) -> None:
    """Raise RuntimeError if lr is a tensor elsewhere, whose changes a replay would not see."""
    if isinstance(lr, Tensor) and lr.device != device:
        raise RuntimeError(
            f"lr must be a number or a tensor on {device} to be captured, got one on {lr.device}"
        )
