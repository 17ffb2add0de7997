"""MicroAdam as a strategy: nanocl.optim.MicroAdam on all layers, or all but dense ones."""

import pytest
import torch
from optimizer_steps import assert_steps_of, trajectory

from nanocl import optim
from nanocl.plugins.catalogue import INSTALLED
from nanocl.strategies.microadam import MicroAdam


def test_it_takes_the_steps_of_the_optimizer():
    assert_steps_of(
        MicroAdam(lr=0.01, density=0.2, window=4),
        lambda parameters: optim.MicroAdam(parameters, lr=0.01, density=0.2, window=4),
    )


def test_adamw_trains_the_dense_layers_at_their_own_rate():
    ours = trajectory(
        MicroAdam(lr=0.01, density=0.2, dense="head", dense_lr=0.05, beta2=0.9).make_optimizer
    )

    class Both:
        def __init__(self, body, head):
            self.members = (
                optim.MicroAdam(body, 0.01, (0.9, 0.9), density=0.2),
                torch.optim.AdamW(head, 0.05, (0.9, 0.9), weight_decay=0, foreach=False),
            )

        def zero_grad(self):
            for member in self.members:
                member.zero_grad()

        def step(self):
            for member in self.members:
                member.step()

    expected = trajectory(lambda model: Both([*model[0].parameters()], [*model[2].parameters()]))
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-7)
    assert all(torch.equal(a, b) for a, b in zip(ours[:2], expected[:2], strict=True))


def test_without_dense_layers_a_run_is_the_same_as_before_there_were_any():
    default = INSTALLED.complete("strategies", "microadam", {}).options
    assert not {"dense", "dense_lr"} & set(default)
    given = INSTALLED.complete("strategies", "microadam", {"dense": "head"}).options
    assert given["dense"] == "head" and "dense_lr" not in given


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"density": 0.0}, r"density must be a number in \(0, 1\], got 0.0"),
        ({"window": 0}, "window must be .*0"),
        ({"dense": "all"}, "dense must be one of .*'all'"),
        ({"dense_lr": -1.0}, "dense_lr must be .*-1"),
    ],
)
def test_an_option_out_of_range_is_named_with_value_and_range(options, message):
    with pytest.raises(ValueError, match=message):
        MicroAdam(**options)
