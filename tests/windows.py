"""Parameters for MicroAdam, and its state as dense values."""

import torch
from torch import nn
from trajectories import SHAPES

from nanocl.optim._plain.microadam import dequantise
from nanocl.optim._plain.selection import even_starts, flat_index

EXACT = {"state_dtype": torch.float64}


def make_params(seed=0, shapes=SHAPES, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return [
        nn.Parameter(torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype))
        for shape in shapes
    ]


def error_of(state, numel, dtype=torch.float64):
    return dequantise(state["codes"], state["low"], state["high"], state["bucket"], numel, dtype)


def sent_index(state, row, numel):
    start = even_starts(numel, state["density"], state["block"])
    return flat_index(start, state["offset"][row], state["block"])


def units_of(state, numel):
    unit = (state["high"].double() - state["low"].double()) / 15
    return unit[torch.arange(numel) // state["bucket"]]
