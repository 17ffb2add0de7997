"""The optimizer's state at an experience boundary."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.optim import Optimizer

# options of groups whose state depends on the step in other ways than bias correction
SELECTING = {"density": 1, "rank": None, "window": None}


def check_restart(optimizer: Optimizer) -> None:
    """Refuse `optimizer_state=reset-step` where a step also decides which entries are trained.

    Raises:
        ValueError: A group has a density below 1, a rank or a window.
    """
    for group in optimizer.param_groups:
        for option, value in SELECTING.items():
            if group.get(option, value) != value:
                raise ValueError(
                    "training.optimizer_state=reset-step needs an optimizer with moments of every "
                    f"entry, got {type(optimizer).__name__} with {option}={group[option]}; use "
                    "keep or reset"
                )


def restart_bias_correction(optimizer: Optimizer) -> None:
    """Count steps from 0 again; moments stay."""
    for param, state in list(optimizer.state.items()):
        if "step" in state:
            # a new dictionary: an optimizer may hold on to the old one
            optimizer.state[param] = {**state, "step": _zero(state["step"])}
    for group in optimizer.param_groups:
        if "step" in group:  # where pytorch-optimizer counts
            group["step"] = _zero(group["step"])


def _zero(step: Any) -> Any:
    return step.new_zeros(step.shape) if isinstance(step, Tensor) else type(step)(0)
