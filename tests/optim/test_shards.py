"""A sharded parameter (DTensor) in one process that stands for the second of two."""

import copy

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard
from torch.testing._internal.distributed.fake_pg import FakeStore
from trajectories import assert_same, train

from nanocl.optim import NanoAdam, StepInBackward
from nanocl.optim._shards import shard_of

ROWS = (Replicate(), Shard(0))  # half of the rows, twice


@pytest.fixture
def mesh():
    """Two processes by two, of which this is the last; nothing is sent."""
    dist.init_process_group("fake", store=FakeStore(), rank=3, world_size=4)
    yield init_device_mesh("cpu", (2, 2))
    dist.destroy_process_group()


def distributed(values, mesh, placements):
    return DTensor.from_local(values, mesh, placements, run_check=False)


def sharded_param(values, mesh, placements=ROWS):
    return nn.Parameter(distributed(values.clone(), mesh, placements))


def steps_of(param, optimizer, mesh, placements=ROWS, first=0, steps=5):
    for step in range(first, first + steps):
        generator = torch.Generator().manual_seed(step)
        gradient = torch.randn(12, 5, generator=generator)
        param.grad = distributed(gradient, mesh, placements)
        optimizer.step()


def plain_steps(param, optimizer, first=0, steps=5):
    for step in range(first, first + steps):
        param.grad = torch.randn(12, 5, generator=torch.Generator().manual_seed(step))
        optimizer.step()


@pytest.mark.parametrize("placements", [ROWS, (Replicate(), Replicate())], ids=["half", "all"])
def test_the_part_of_this_process_trains_as_a_parameter(make, mesh, placements):
    values = torch.linspace(-1, 1, 60).reshape(12, 5)
    param, alone = sharded_param(values, mesh, placements), nn.Parameter(values.clone())
    optimizer, other = make([param], lr=0.05), make([alone], lr=0.05)
    if "seed" in optimizer.defaults and "factors" in type(optimizer).optional_state:
        return  # each shard has its own first factors
    steps_of(param, optimizer, mesh, placements)
    plain_steps(alone, other)
    assert torch.equal(param.to_local(), alone)


def test_the_number_of_a_shard_counts_sharded_dimensions_of_the_mesh_only(mesh):
    values = torch.ones(4, 4)
    cases = {
        (Replicate(), Replicate()): (0, 1),
        (Replicate(), Shard(0)): (1, 2),
        (Shard(0), Replicate()): (1, 2),
        (Shard(0), Shard(1)): (3, 4),
    }
    for placements, expected in cases.items():
        assert shard_of(distributed(values, mesh, placements)) == expected
    assert shard_of(values) == (0, 1)


def test_two_shards_are_rounded_with_other_random_bits(mesh):
    values = torch.ones(12, 5, dtype=torch.bfloat16)
    options = {"lr": 1e-3, "density": 1.0, "weight_rounding": "stochastic"}
    param, alone = sharded_param(values, mesh), nn.Parameter(values.clone())
    other = NanoAdam([alone], **options)
    optimizer = NanoAdam([param], **options)
    param.grad = distributed(torch.ones_like(values), mesh, ROWS)
    alone.grad = torch.ones_like(values)
    optimizer.step()
    other.step()
    moved, expected = param.to_local() != 1, alone != 1
    assert moved.any() and expected.any() and not torch.equal(moved, expected)


def test_the_state_of_a_shard_is_saved_under_its_number_and_loads_again(make, mesh):
    values = torch.linspace(-1, 1, 60).reshape(12, 5)
    param = sharded_param(values, mesh)
    optimizer = make([param], lr=0.05)
    steps_of(param, optimizer, mesh)
    saved = copy.deepcopy(optimizer.state_dict())
    assert list(saved["state"][0]) == ["shard 2 of 2"]
    resumed = sharded_param(param.to_local(), mesh)
    other = make([resumed])
    other.load_state_dict(saved)
    steps_of(param, optimizer, mesh, first=5)
    steps_of(resumed, other, mesh, first=5)
    assert_same([param.to_local()], [resumed.to_local()])


def test_a_state_of_another_number_of_processes_is_refused(make, mesh):
    values = torch.ones(12, 5)
    param = sharded_param(values, mesh)
    optimizer = make([param])
    steps_of(param, optimizer, mesh, steps=1)
    saved = optimizer.state_dict()
    finer = nn.Parameter(distributed(values, mesh, (Shard(0), Shard(1))))
    for other, name in ((finer, "shard 4 of 4"), (nn.Parameter(values), "shard 1 of 1")):
        with pytest.raises(ValueError, match=rf"saved as shard 2 of 2 .* loaded as {name}"):
            make([other]).load_state_dict(saved)
    alone = nn.Parameter(values.clone())
    whole = make([alone])
    train([alone], whole, 1)
    with pytest.raises(ValueError, match=r"saved as shard 1 of 1 .* loaded as shard 2 of 2"):
        optimizer.load_state_dict(whole.state_dict())


def test_terms_of_a_sum_are_refused(make, mesh):
    param = sharded_param(torch.ones(12, 5), mesh, (Replicate(), Partial()))
    optimizer = make([param])
    with pytest.raises(RuntimeError, match="take sharded or replicated parameters"):
        steps_of(param, optimizer, mesh, (Replicate(), Partial()))


def test_a_gradient_placed_otherwise_is_placed_as_its_parameter(mesh):
    param = sharded_param(torch.ones(12, 5), mesh)
    optimizer = NanoAdam([param], lr=0.1, density=1.0)
    # a replicated gradient of all 24 rows, of which this process needs the last 12
    rows = torch.arange(24.0).sub(12.5).sign().unsqueeze(1).expand(24, 5).contiguous()
    param.grad = distributed(rows, mesh, (Replicate(), Replicate()))
    optimizer.step()
    assert param.to_local()[0, 0] > 1 and (param.to_local()[1:] < 1).all()


def test_shards_step_in_the_backward_pass(make, mesh):
    values = torch.linspace(-1, 1, 60).reshape(12, 5)
    param, other = (sharded_param(values, mesh) for _ in range(2))
    hooked, ordinary = make([param], lr=0.05), make([other], lr=0.05)
    StepInBackward(hooked)
    for each, optimizer in ((param, hooked), (other, ordinary)):
        for _ in range(3):
            (each.to_local() ** 2).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
    assert param.grad is None and torch.equal(param.to_local(), other.to_local())


def test_a_tensor_without_values_is_refused_in_one_line(make):
    with FakeTensorMode():
        fake = nn.Parameter(torch.ones(8))
        fake.grad = torch.ones(8)
        with pytest.raises(RuntimeError, match="takes plain tensors, got a parameter of type Fake"):
            make([fake]).step()
    meta = nn.Parameter(torch.ones(8, device="meta"))
    meta.grad = torch.ones(8, device="meta")
    with pytest.raises(RuntimeError, match="takes tensors with values"):
        make([meta]).step()
