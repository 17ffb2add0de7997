"""A loop of accelerate with the meter, for processes that import it."""

import os

import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader
from training_cases import vectors

from nanocl.integrations.loop import ForgettingMeter

OLD, NEW = vectors(seed=1), vectors(seed=2)


def train(rank, processes, results):
    """Two epochs in mini-batches of 6, each split over the processes."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)  # of another test
    if processes > 1:  # accelerate asks for an address even where the processes have met
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    accelerator = Accelerator(cpu=True)
    assert accelerator.num_processes == processes and accelerator.process_index == rank
    meter = ForgettingMeter({"old": OLD}, new=NEW, every=2, results=results, name="two")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.05)
    loader = DataLoader(NEW, batch_size=6 // processes)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    meter.before(model, optimizer, seed=0)
    for _ in range(2):
        for inputs, targets in loader:
            optimizer.zero_grad()
            accelerator.backward(functional.cross_entropy(model(inputs), targets))
            optimizer.step()
            meter.step(model, optimizer)
    meter.after(model, optimizer)
    AcceleratorState._reset_state(reset_partial_state=True)
