"""What each of several gloo processes does in the tests of distributed training."""

from __future__ import annotations

import copy
import os
import tempfile
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.fsdp import fully_shard
from torch.distributed.optim import ZeroRedundancyOptimizer
from torch.nn.parallel import DistributedDataParallel
from trajectories import assert_same

from nanocl import optim

OPTIONS = {
    "NanoAdam": {"density": 0.3, "mask_interval": 3, "chunk_size": 32},
    "MicroAdam": {"block_size": 32, "quant_block": 8, "density": 0.1, "window": 4},
    "MoFO": {"density": 0.3, "chunk_size": 32},
    "LIFT": {"density": 0.3, "mask_interval": 3, "rank": 1},
    "LowRankAdamW": {"rank": 2},
    "PaFi": {"density": 0.5, "chunk_size": 32},
    "CLASSP": {"threshold": 1e-6, "power": 2.0},
    "CautiousAdamW": {"weight_decay": 0.1},
}
# these decide entry by entry or chunk by chunk, and a shard here is a whole number of chunks
EQUAL = ("NanoAdam", "MicroAdam", "MoFO", "CLASSP", "CautiousAdamW")
STEPS = 7


def spawn(body, processes, *args):
    """Run `body(rank, processes, *args)` in gloo processes; an error in one is raised here."""
    with tempfile.TemporaryDirectory() as folder:
        rendezvous = Path(folder) / "rendezvous"
        torch.multiprocessing.spawn(
            _process, (body, processes, str(rendezvous), args), nprocs=processes
        )


def _process(rank, body, processes, rendezvous, args):
    torch.set_num_threads(1)
    os.environ.update(RANK=str(rank), WORLD_SIZE=str(processes), LOCAL_RANK=str(rank))
    dist.init_process_group(
        "gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=processes
    )
    try:
        body(rank, processes, *args)
    finally:
        dist.destroy_process_group()


def make_model(width=8):
    """Weights of 64 and 32 entries: half of each is a whole number of chunks."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(8, width, bias=False), nn.Tanh(), nn.Linear(width, 8, bias=False)
    )


def backward(model, step, rank=0, processes=1):
    """The mean loss over 8 inputs; each process takes its part of them."""
    generator = torch.Generator().manual_seed(100 + step)
    inputs = torch.randn(8, 8, generator=generator)
    part = inputs.chunk(processes)[rank]
    model(part).square().mean().backward()


def train(model, optimizer, steps, rank=0, processes=1, first=0):
    for step in range(first, first + steps):
        optimizer.zero_grad()
        backward(model, step, rank, processes)
        optimizer.step()


def weights_of(model):
    """The whole weights of a model, sharded or not."""
    whole = [
        getattr(param, "full_tensor", lambda param=param: param)() for param in model.parameters()
    ]
    return [param.detach().clone() for param in whole]


def make_optimizer(name, model):
    return getattr(optim, name)(model.parameters(), lr=0.01, **OPTIONS[name])


def in_one_process(name, steps=STEPS):
    model = make_model()
    train(model, make_optimizer(name, model), steps)
    return list(model.parameters())


def sharded(name):
    model = make_model()
    fully_shard(model)
    return model, make_optimizer(name, model)


def assert_near(left, right):
    for one, other in zip(left, right, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


def train_sharded(rank, processes):
    for name in OPTIONS:
        model, optimizer = sharded(name)
        initial = weights_of(model)
        train(model, optimizer, STEPS, rank, processes)
        trained = weights_of(model)
        assert all(weights.isfinite().all() for weights in trained), name
        assert not any(map(torch.equal, initial, trained)), name
        if name in EQUAL:
            assert_near(trained, in_one_process(name))
        states = [state for state in optimizer.state.values() if state]
        tensors = [value for state in states for value in state.values() if torch.is_tensor(value)]
        if name != "PaFi":  # whose share of each parameter is an estimate
            assert optimizer.state_bytes() == sum(tensor.nbytes for tensor in tensors), name


def train_uneven_shards(rank, processes):
    """7 rows on 2 processes, and 1 row, so that the second process holds nothing of it."""
    for name in OPTIONS:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(8, 7, bias=False), nn.Linear(7, 1, bias=False))
        fully_shard(model)
        optimizer = getattr(optim, name)(model.parameters(), lr=0.01, **OPTIONS[name])
        for step in range(STEPS):
            optimizer.zero_grad()
            generator = torch.Generator().manual_seed(10 * step + rank)
            model(torch.randn(4, 8, generator=generator)).square().mean().backward()
            optimizer.step()
        assert all(weights.isfinite().all() for weights in weights_of(model)), name


def round_trip(rank, processes):
    for name in OPTIONS:
        model, optimizer = sharded(name)
        train(model, optimizer, 4, rank, processes)
        weights = copy.deepcopy(get_model_state_dict(model))
        state = copy.deepcopy(get_optimizer_state_dict(model, optimizer))
        train(model, optimizer, 5, rank, processes, first=4)
        resumed, other = sharded(name)
        set_model_state_dict(resumed, weights)
        set_optimizer_state_dict(resumed, other, state)
        train(resumed, other, 5, rank, processes, first=4)
        assert_same(weights_of(model), weights_of(resumed))


def load_in_another_form(rank, processes):
    """A flat state dict, and a whole one from process 0, know no shards."""
    flat = StateDictOptions(flatten_optimizer_state_dict=True)
    whole = StateDictOptions(full_state_dict=True)
    for name in OPTIONS:
        model, optimizer = sharded(name)
        train(model, optimizer, 2, rank, processes)
        optimizer.zero_grad()
        states = [get_optimizer_state_dict(model, optimizer, options=whole)]
        dist.broadcast_object_list(states, src=0)
        if rank > 0:  # in process 0 it is its own shard
            with pytest.raises(KeyError, match="shard 1 of 2"):  # by torch itself
                fresh = make_optimizer(name, model)
                set_optimizer_state_dict(model, fresh, states[0], options=whole)
        state = get_optimizer_state_dict(model, optimizer, options=flat)
        with pytest.raises(ValueError, match=f"cannot be loaded as shard {rank + 1} of 2"):
            fresh = make_optimizer(name, model)
            set_optimizer_state_dict(model, fresh, state, options=flat)


def save(rank, processes, folder):
    for name in OPTIONS:
        model, optimizer = sharded(name)
        train(model, optimizer, 4, rank, processes)
        parts = {
            "model": get_model_state_dict(model),
            "optimizer": get_optimizer_state_dict(model, optimizer),
        }
        dcp.save(parts, checkpoint_id=folder / name)
        train(model, optimizer, 5, rank, processes, first=4)
        torch.save(weights_of(model), folder / f"{name}.pt")


def load(rank, processes, folder):
    for name in OPTIONS:
        model, optimizer = sharded(name)
        load_parts(model, optimizer, folder / name)
        train(model, optimizer, 5, rank, processes, first=4)
        assert_same(weights_of(model), torch.load(folder / f"{name}.pt"))


def load_parts(model, optimizer, folder):
    parts = {
        "model": get_model_state_dict(model),
        "optimizer": get_optimizer_state_dict(model, optimizer),
    }
    dcp.load(parts, checkpoint_id=folder)
    set_model_state_dict(model, parts["model"])
    set_optimizer_state_dict(model, optimizer, parts["optimizer"])


def load_in_another_number_of_processes(rank, processes, folder):
    for name in OPTIONS:
        model, optimizer = sharded(name)
        with pytest.raises(dcp.api.CheckpointException, match=r"Missing key .*optimizer\.state"):
            load_parts(model, optimizer, folder / name)


def train_replicas(rank, processes):
    for name in OPTIONS:
        model = DistributedDataParallel(make_model())
        train(model, make_optimizer(name, model), STEPS, rank, processes)
        assert_near(model.parameters(), in_one_process(name))


def zero_optimizer(name, model):
    kind = getattr(optim, name)
    return ZeroRedundancyOptimizer(model.parameters(), kind, lr=0.01, **OPTIONS[name])


def train_with_zero(rank, processes):
    for name in OPTIONS:
        if name == "PaFi":  # it selects among the parameters of each process
            continue
        model = DistributedDataParallel(make_model())
        optimizer = zero_optimizer(name, model)
        train(model, optimizer, 4, rank, processes)
        if name != "LowRankAdamW":  # whose first factors depend on the number of the parameter
            assert_near(model.parameters(), in_one_process(name, 4))
        optimizer.consolidate_state_dict(to=0)
        states = [optimizer.state_dict() if rank == 0 else None]
        dist.broadcast_object_list(states, src=0)
        resumed = DistributedDataParallel(copy.deepcopy(model.module))
        other = zero_optimizer(name, resumed)
        other.load_state_dict(copy.deepcopy(states[0]))  # it keeps the tensors that it is given
        train(model, optimizer, 5, rank, processes, first=4)
        train(resumed, other, 5, rank, processes, first=4)
        assert_same(model.parameters(), resumed.parameters())
