"""The optimizers of torch against the papers' formulas; departures are tested as they are."""

import pytest
import torch
from library_references import adafactor, adamw, error, muon, walk
from library_runs import make


@pytest.mark.parametrize(("name", "decay"), [("torch:AdamW", 0.1), ("torch:Adam", 0.0)])
def test_adam_and_adamw_agree_with_the_paper(name, decay):
    path, gradients, _ = walk(make(name, lr=0.01, weight_decay=decay), 5, dtype=torch.float32)
    assert error(path, gradients, lambda w, g: adamw(w, g, lr=0.01, decay=decay), "1.weight") < 1e-5


def test_muon_agrees_on_hidden_matrices_and_is_adamw_elsewhere():
    path, gradients, _ = walk(make("torch:Muon", lr=0.02, weight_decay=0.1), 4)
    # torch iterates in bfloat16, which has 8 bits
    assert error(path, gradients, lambda w, g: muon(w, g, lr=0.02, decay=0.1), "1.weight") < 4e-2
    for other in ("0.weight", "2.weight", "1.bias"):
        off = error(
            path, gradients, lambda w, g: adamw(w, g, lr=3e-4, beta2=0.95, eps=1e-10), other
        )
        assert off < 1e-9


@pytest.mark.parametrize("weight", ["1.weight", "1.bias"])
def test_adafactor_agrees_with_the_paper(weight):
    path, gradients, _ = walk(make("torch:Adafactor"), 5)
    assert error(path, gradients, adafactor, weight) < 1e-9


def test_adafactor_departs_where_gradients_are_small():
    path, gradients, _ = walk(make("torch:Adafactor"), 5, scale=1e-5, dtype=torch.float32)
    assert error(path, gradients, adafactor, "1.weight") > 1e-2
