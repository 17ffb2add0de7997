"""Adagrad is torch.optim.Adagrad with checked options."""

import pytest
import torch
from optimizer_steps import assert_fused_steps_of

from nanocl.strategies.adagrad import Adagrad
from nanocl.testing import run, small_learner, small_stream


def test_it_takes_the_steps_of_torch():
    assert_fused_steps_of(Adagrad(), torch.optim.Adagrad)
    assert_fused_steps_of(
        Adagrad(lr=0.1, lr_decay=0.01, eps=1e-6, weight_decay=0.1),
        torch.optim.Adagrad,
        lr=0.1,
        lr_decay=0.01,
        eps=1e-6,
        weight_decay=0.1,
    )


class OfTorch211(torch.optim.Adagrad):
    """As in torch 2.11: the constructor makes the sums, and a step needs them."""

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for param in group["params"]:
                self.state[param]["sum"]  # a KeyError where Avalanche has removed it
        return super().step(closure)


def test_it_trains_with_versions_of_torch_that_make_the_sums_in_the_constructor(monkeypatch):
    outcomes = []
    for kind in (torch.optim.Adagrad, OfTorch211):
        monkeypatch.setattr(Adagrad, "optimizer_class", kind)
        scenario = small_stream("domain")
        outcomes.append(run(small_learner(scenario, [Adagrad()]), scenario))
    assert outcomes[0].evaluation == outcomes[1].evaluation


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr_decay": -1.0}, "lr_decay must be in .*-1.0"),
        ({"lr": 0.0}, "lr must be in .*0.0"),
    ],
)
def test_an_option_out_of_range_is_named_with_value_and_range(options, message):
    with pytest.raises(ValueError, match=message):
        Adagrad(**options)
