"""L2 anchor: pull the weights towards where the last experience left them."""

import torch

from nanocl.strategies import Strategy


class L2Anchor(Strategy):
    """Add `strength / 2 * ||w - w_anchor||^2` to the loss of each mini-batch.

    Source: the isotropic baseline of Kirkpatrick et al., 2017, arXiv:1612.00796.
    """

    def __init__(self, *, strength: float = 1.0) -> None:
        super().__init__()
        self.strength = strength
        self.anchor: dict[str, torch.Tensor] = {}

    def before_backward(self, strategy, **kwargs) -> None:
        for name, weight in strategy.model.named_parameters():
            if name in self.anchor:
                strategy.loss += 0.5 * self.strength * (weight - self.anchor[name]).square().sum()

    def after_training_exp(self, strategy, **kwargs) -> None:
        self.anchor = {n: w.detach().clone() for n, w in strategy.model.named_parameters()}
