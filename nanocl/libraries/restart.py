"""Restarts an optimizer whose state was emptied by its caller."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer


def restart_when_emptied(optimizer: Optimizer, make: Callable[[], Optimizer]) -> None:
    """Reset an optimizer before its next step if its state was replaced by an empty mapping.

    Avalanche replaces `optimizer.state` at its first call and at each experience that resets the
    optimizer. Libraries count steps in the parameter group, keep schedules on the instance or share
    the state with an inner optimizer: moments of zero would get the bias correction of a late step.
    Hooks and learning rates stay.

    Args:
        optimizer: The optimizer to watch.
        make: Builds the same optimizer anew.
    """
    last = optimizer.state

    def note(optimizer: Optimizer) -> None:
        nonlocal last
        last = optimizer.state

    def check(optimizer: Optimizer, *_: Any) -> None:
        nonlocal last
        # values, because Avalanche gives new parameters an empty entry
        if optimizer.state is not last and not any(optimizer.state.values()):
            _renew(optimizer, make())
        last = optimizer.state

    optimizer.register_load_state_dict_post_hook(note)
    optimizer.register_step_pre_hook(check)


def _renew(optimizer: Optimizer, fresh: Optimizer) -> None:
    """Give the optimizer the attributes of a fresh one, except hooks and learning rates."""
    rates = [group.get("lr") for group in optimizer.param_groups]
    attributes = {name: value for name, value in vars(fresh).items() if "hook" not in name}
    vars(optimizer).update(attributes)
    for group, rate in zip(optimizer.param_groups, rates, strict=False):
        if rate is not None:
            group["lr"] = rate
