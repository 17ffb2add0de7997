"""The check of optimizers fails on an optimizer that breaks one rule, and names the rule."""

import pytest
import torch

from nanocl.testing import NotConforming, check_optimizer


class Descent(torch.optim.Optimizer):
    """SGD with momentum that keeps every rule."""

    empty = staticmethod(lambda optimizer, p: not optimizer.state[p])

    def __init__(self, params, lr=0.1):
        if not lr >= 0:
            raise ValueError(f"lr must be at least 0, got {lr}")
        super().__init__(params, {"lr": lr})

    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        with torch.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        self.update(p, group)
        return loss

    def update(self, p, group):
        if self.empty(self, p):
            self.state[p]["mean"] = torch.zeros_like(p)
        self.state[p]["mean"].mul_(0.9).add_(p.grad)
        p.sub_(group["lr"] * self.state[p]["mean"])


class GradientClearing(Descent):
    def update(self, p, group):
        super().update(p, group)
        p.grad.zero_()


class Unsaved(Descent):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr)
        self.count = 0

    def update(self, p, group):
        self.count += 1
        p.sub_(group["lr"] * p.grad / self.count)


class Ungrouped(Descent):
    def update(self, p, group):
        super().update(p, {"lr": 0.1})


class GradientFilling(Descent):
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = torch.zeros_like(p) if p.grad is None else p.grad
                p.data.sub_(0.01 * group["lr"] * p.data)
        return super().step(closure)


class KeyMissing(Descent):
    """Initialises a state if its key is missing, not if the state is empty."""

    empty = staticmethod(lambda optimizer, p: p not in optimizer.state)


class ClosureIgnoring(Descent):
    def step(self, closure=None):
        return super().step()


class FixedParameters(Descent):
    """Trains only the parameters that it was made with."""

    def __init__(self, params, lr=0.1):
        super().__init__(params, lr)
        self.first = {p for group in self.param_groups for p in group["params"]}

    def update(self, p, group):
        if p in self.first:
            super().update(p, group)


class Unchecked(Descent):
    def __init__(self, params, lr=0.1):
        torch.optim.Optimizer.__init__(self, params, {"lr": lr})


@pytest.mark.parametrize(
    ("cls", "said"),
    [
        (GradientClearing, "must leave the gradient as it was"),
        (Unsaved, "resumes from state_dict"),
        (Ungrouped, "a parameter with lr 0 in its group must not change"),
        (GradientFilling, "without a gradient must be skipped"),
        (ClosureIgnoring, "must call the closure"),
        (FixedParameters, "a group added later must be trained"),
        (Unchecked, "lr=-1.0 must raise ValueError"),
    ],
)
def test_a_broken_optimizer_is_refused_with_the_rule_it_breaks(cls, said):
    with pytest.raises(NotConforming, match=said):
        check_optimizer(cls)


def test_an_optimizer_that_does_not_expect_an_empty_state_fails_when_a_head_grows():
    with pytest.raises((NotConforming, KeyError)):
        check_optimizer(KeyMissing)


def test_a_good_optimizer_passes_and_agrees_with_its_reference():
    check_optimizer(
        Descent, {"lr": 0.05}, reference=lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=0.9)
    )
    with pytest.raises(NotConforming, match="must take the steps of its reference"):
        check_optimizer(Descent, reference=torch.optim.Adam)
