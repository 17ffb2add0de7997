"""A fixture that makes one optimizer of nanocl.optim after another."""

import pytest
import torch

from nanocl import optim
from nanocl.optim import _base, nanoadam

# options for tiny parameters
SMALL: dict[str, dict[str, float]] = {
    "NanoAdam": {"chunk_size": 50, "mask_interval": 3, "density": 0.3},
    "MicroAdam": {"block_size": 50, "quant_block": 8, "density": 0.1, "window": 4},
    "MoFO": {"density": 0.3},
    "LIFT": {"density": 0.3, "mask_interval": 3, "rank": 1},
    "LowRankAdamW": {"rank": 3},
    "PaFi": {"density": 0.9, "chunk_size": 50},
    "CLASSP": {"threshold": 0.25, "power": 4.0},
}
PUBLIC = [getattr(optim, name) for name in optim.__all__ if name != "dense_groups"]
OPTIMIZERS = [kind for kind in PUBLIC if issubclass(kind, torch.optim.Optimizer)]


@pytest.fixture(params=OPTIMIZERS, ids=lambda kind: kind.__name__)
def make(request):
    """Makes one of the optimizers, with options for tiny parameters."""
    kind = request.param

    def build(params, **options):
        return kind(params, **{**SMALL.get(kind.__name__, {}), **options})

    return build


@pytest.fixture
def capturing(monkeypatch):
    """Switches on and off that a graph is being captured."""

    def switch(on):
        for module in (_base, nanoadam):
            monkeypatch.setattr(module, "is_capturing", lambda param: on)

    return switch
