"""The optimizers of bitsandbytes against the papers' formulas, and the reasons for refusals."""

import pytest
import torch
from library_references import assert_adamw_from_rounded_moments, error, lion, walk
from library_runs import complete, make
from torch import nn

library = pytest.importorskip("bitsandbytes")


def test_adamw_of_8_bits_takes_the_steps_of_adamw_from_rounded_moments():
    assert_adamw_from_rounded_moments(make("bitsandbytes:AdamW8bit", lr=0.01, weight_decay=0.1))


def test_lion_agrees_with_the_paper():
    # bitsandbytes computes in float32
    strategy = make("bitsandbytes:Lion", lr=0.01, weight_decay=0.3)
    path, gradients, _ = walk(strategy, 6, dtype=torch.float32)
    assert error(path, gradients, lambda w, g: lion(w, g, lr=0.01, decay=0.3), "1.weight") < 1e-5


def test_adam_decays_weights_as_adamw_so_the_option_is_left_out():
    p, other = nn.Parameter(torch.ones(4)), nn.Parameter(torch.ones(4))
    for parameter, optimizer in (
        (p, library.optim.Adam([p], lr=0.01, weight_decay=0.5)),
        (other, library.optim.AdamW([other], lr=0.01, weight_decay=0.5)),
    ):
        parameter.grad = torch.tensor([1.0, -1.0, 2.0, 0.1])
        optimizer.step()
    assert torch.equal(p, other)
    assert "weight_decay" not in complete("bitsandbytes:Adam8bit").options
    assert "weight_decay" in complete("bitsandbytes:AdamW8bit").options


def test_lamb_scales_no_layer_so_it_is_refused():
    p, other = nn.Parameter(torch.ones(64, 64)), nn.Parameter(torch.ones(64, 64))
    for parameter, optimizer in (
        (p, library.optim.LAMB8bit([p], lr=0.01)),
        (other, library.optim.AdamW8bit([other], lr=0.01, weight_decay=0.0)),
    ):
        parameter.grad = torch.randn(64, 64, generator=torch.Generator().manual_seed(0))
        optimizer.step()
    assert torch.equal(p, other)
