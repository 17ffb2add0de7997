"""AdamW of 8 bits of torchao against the paper's formula."""

import torch
from library_references import adamw, assert_adamw_from_rounded_moments, error, walk
from library_runs import make


def test_small_tensors_take_the_steps_of_adamw():
    strategy = make("torchao:AdamW8bit", lr=0.01, weight_decay=0.1)
    path, gradients, _ = walk(strategy, 5, dtype=torch.float32)
    assert error(path, gradients, lambda w, g: adamw(w, g, lr=0.01, decay=0.1), "1.weight") < 1e-5


def test_adamw_of_8_bits_takes_the_steps_of_adamw_from_rounded_moments():
    assert_adamw_from_rounded_moments(make("torchao:AdamW8bit", lr=0.01, weight_decay=0.1))
