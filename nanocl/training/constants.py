"""What no checkpoint holds of a learner, and must therefore stay as it was when the run began."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn

from nanocl.training.loop import Learner

PLAIN = (bool, int, float, str)
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
OF_ONE = ("the criterion", "the optimizer")  # objects that another learner has its own of
PARAMETER_HOOKS = ("_backward_hooks", "_post_accumulate_grad_hooks")


def constants_of(learner: Learner, *, own_model: bool = False) -> dict[str, Any]:
    """By a name for people: hooks, plain attributes of layers, criterion, optimizer.

    Args:
        learner: The learner.
        own_model: Whether plain attributes of every module count, and not only those of torch's
            own layers. Models of other packages note sizes and versions in theirs.
    """
    held: dict[str, Any] = {}
    for name, parameter in learner.model.named_parameters():
        held[f"the hooks of {name}"] = _hooks(parameter, PARAMETER_HOOKS)
    for path, module in learner.model.named_modules():
        held[f"the hooks of {path or 'the model'}"] = _hooks(module, HOOKS)
        if own_model or type(module).__module__.startswith("torch.nn."):
            held |= {f"{path}.{name}": value for name, value in _attributes(module)}
    held |= dict(zip(OF_ONE, (learner._criterion, learner.optimizer), strict=True))
    held["train_mb_size"] = learner.train_mb_size
    return held


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """The first of the constants that is another now; empty if none is.

    What was added or taken away with a module shows when the state of the model is loaded.
    """
    for name, value in before.items():
        if name in after and after[name] != value:
            return name
    return ""


def _hooks(owner: object, kinds: tuple[str, ...]) -> list[Any]:
    registered = (getattr(owner, kind, None) or {} for kind in kinds)
    return [hook for hooks in registered for hook in hooks.values()]


def _attributes(module: nn.Module) -> Iterator[tuple[str, Any]]:
    """Public plain attributes; `training` follows from what the learner is doing."""
    for name, value in vars(module).items():
        if type(value) in PLAIN and name != "training" and not name.startswith("_"):
            yield name, value
