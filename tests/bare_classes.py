"""Files of users who know torch and Avalanche, not nanocl."""

LION = """
import torch
from torch.optim import Optimizer


class Lion(Optimizer):
    def __init__(self, params, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            first, second = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["mean"] = torch.zeros_like(p)
                p.mul_(1 - group["lr"] * group["weight_decay"])
                direction = state["mean"] * first + p.grad * (1 - first)
                p.add_(direction.sign(), alpha=-group["lr"])
                state["mean"].lerp_(p.grad, 1 - second)
"""
PLAIN = """
from avalanche.training.plugins import SupervisedPlugin


class Scaled(SupervisedPlugin):
    def __init__(self, factor=2.0):
        super().__init__()
        self.factor = factor

    def before_backward(self, strategy, **kwargs):
        strategy.loss *= self.factor
"""
