"""Whether several seeds of a learner can be trained as one model, and whether that is faster."""

from __future__ import annotations

import copy

import torch
from avalanche.training.plugins import SupervisedPlugin

from nanocl.data.batches import tensor_parts
from nanocl.streams import Scenario
from nanocl.training.context import Context
from nanocl.training.grouping import WEIGHTS_ON_CPU
from nanocl.training.heads import Network
from nanocl.training.loop import Learner
from nanocl.training.stacked import Stack

HOOKS = [name for name in dir(SupervisedPlugin) if name.startswith(("before_", "after_"))]
# 4-bit error feedback: a last bit of a gradient may move an entry by a sixteenth of its bucket
ROUNDING = ("MicroAdam",)
OPTIMIZERS = ("torch.optim", "nanocl.optim")  # they draw no number from a generator of all seeds


def obstacle(learner: Learner, scenario: Scenario, context: Context) -> str:
    """Why seeds of the learner cannot be trained as one model; empty if they can."""
    for strategy in learner.strategies:
        own = [name for name in HOOKS if _is_own(strategy, name)]
        if own:
            return f"the strategy {type(strategy).__name__} uses the hook {own[0]}"
    optimizer = type(learner.optimizer)
    if getattr(learner.optimizer, "needs_closure", False):
        return f"{optimizer.__name__} repeats forward and backward pass in its step"
    if not optimizer.__module__.startswith(OPTIMIZERS):
        return f"{optimizer.__name__} is an optimizer of {optimizer.__module__.split('.')[0]}"
    if optimizer.__name__ in ROUNDING:
        return f"{optimizer.__name__} amplifies differences in rounding"
    if context.probes or context.tracks:
        return "the learner is probed or tested within experiences"
    if learner.mastery:
        return "each seed ends its experiences at a step of its own"
    if tensor_parts(scenario.train_stream[0].dataset) is None:
        return "its data are not tensors in memory"
    return _obstacle_in(learner.model, scenario)


def drawback(learner: Learner, device: str) -> str:
    """Why it would be slower to train seeds of the learner as one model; empty if it is faster."""
    weights = sum(p.numel() for p in learner.model.backbone.parameters())
    if device == "cpu" and weights > WEIGHTS_ON_CPU:
        return f"on a CPU it is slower above {WEIGHTS_ON_CPU:,} weights, it has {weights:,}"
    return ""


def _is_own(strategy: object, hook: str) -> bool:
    """Whether a strategy does something at a hook."""
    method = getattr(type(strategy), hook, None)
    return method is not None and method is not getattr(SupervisedPlugin, hook)


def _obstacle_in(network: Network, scenario: Scenario) -> str:
    if network.autocast or network.compiled or network.precision != torch.float32:
        return "it is compiled, or does not compute in float32"
    if any(True for _ in network.backbone.buffers()):
        return "its network has buffers, such as running statistics of normalisation layers"
    device = network.groups.device
    inputs = torch.zeros(2, 1, *scenario.inputs, device=device)
    try:
        Stack([copy.deepcopy(network).train() for _ in range(2)]).scores(inputs, 0)
    except (RuntimeError, ValueError, TypeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        return f"its network cannot be computed for several seeds at once: {reason}"
    return ""
