"""Predicted bytes of state equal those counted on real optimizers."""

import pytest
import torch
from state_counts import counted_each
from torch import nn

from nanocl.footprint import adamw8bit, footprint, state_bytes_of
from nanocl.footprint.architectures import Weight
from nanocl.optim import MicroAdam, NanoAdam
from nanocl.records import UserError
from nanocl.training.measure import tensor_bytes

SHAPES = [
    (),
    (1,),
    (7,),
    (3, 5),
    (255,),
    (128, 256),
    (32769,),
    (181, 182),
    (3, 32768),
    (16, 3, 3, 3),
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"moment_policy": "reset"},
        {"moment_policy": "slot", "state_dtype": "bfloat16"},
        {"density": 0.0},
        {"density": 1.0},
        {"density": 0.013, "chunk_size": 1000},
        {"chunk_size": None, "mask_interval": 1},
        {"density": 0.07, "chunk_size": 40000},
        {"select": "random", "mask_interval": 1},
        {"fused": None},
        {"density": 0.2, "final_density": 0.5, "total_steps": 1, "mask_interval": 1},
        {"select": "static-small", "state_dtype": "float64"},
    ],
    ids=str,
)
def test_nanoadam_stores_what_is_predicted(dtype, options):
    # the compiled kernel takes seconds to compile: one case uses it
    options = {"fused": False, **options}
    params = [nn.Parameter(torch.randn(shape, dtype=dtype)) for shape in SHAPES]
    predicted = state_bytes_of(NanoAdam, options, dtype)
    sizes = [predicted(Weight("w", shape)) for shape in SHAPES]
    assert sizes == counted_each(NanoAdam(params, **options))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"density": 0.3, "window": 3},
        {"quant_block": 100, "block_size": 1000},
        {"state_dtype": "float32"},
        {"fused": None},
    ],
    ids=str,
)
def test_microadam_stores_what_is_predicted(dtype, options):
    options = {"fused": False, **options}  # as above
    params = [nn.Parameter(torch.randn(shape, dtype=dtype)) for shape in SHAPES]
    predicted = state_bytes_of(MicroAdam, options, dtype)
    sizes = [predicted(Weight("w", shape)) for shape in SHAPES]
    assert sizes == counted_each(MicroAdam(params, **options))


@pytest.mark.parametrize(("density", "final_density"), [(0.2, 0.5), (0.5, 0.2)])
def test_a_density_schedule_counts_at_its_highest_density(density, final_density):
    options = {"total_steps": 10, "density": density, "final_density": final_density}
    weight = Weight("w", (100, 70))
    scheduled = state_bytes_of(NanoAdam, options, torch.float32)(weight)
    assert scheduled == state_bytes_of(NanoAdam, {"density": 0.5}, torch.float32)(weight)


def test_a_density_schedule_that_reaches_1_keeps_a_selection():
    # the offsets, starts and ages of a selection stay, unlike in a group of density 1
    weight, options = Weight("w", (100, 70)), {"total_steps": 10, "density": 0.5}
    rising = state_bytes_of(NanoAdam, {**options, "final_density": 1.0}, torch.float32)(weight)
    assert rising > state_bytes_of(NanoAdam, {"density": 1.0}, torch.float32)(weight) == 8 * 7000


def test_any_optimizer_that_describes_its_bytes_is_asked():
    class Described(torch.optim.SGD):
        @staticmethod
        def bytes_of(param, group):
            return int(1000 * group["lr"]) * param.numel()

    assert state_bytes_of(Described, {"lr": 0.002}, torch.float32)(Weight("w", (3, 5))) == 2 * 15


def test_adamw8bit_is_what_torchao_stores():
    torchao = pytest.importorskip("torchao.optim")
    shapes = [(64, 64), (1024, 100), (65, 65), (256,), (12288,)]
    params = [nn.Parameter(torch.randn(shape)) for shape in shapes]
    optimizer = torchao.AdamW8bit(params)
    for param in params:
        param.grad = torch.randn_like(param)
    with torch.compiler.set_stance("force_eager"):
        optimizer.step()
    real = [sum(map(own_bytes, optimizer.state[param].values())) for param in params]
    assert [adamw8bit(torch.float32)(Weight("w", shape)) for shape in shapes] == real
    assert [tensor_bytes(optimizer.state[param]) for param in params] == real


def own_bytes(value: torch.Tensor) -> int:
    """Bytes of a plain tensor, or of the three that an 8-bit one is made of."""
    parts = [value.codes, value.scale, value.qmap] if hasattr(value, "codes") else [value]
    return sum(part.numel() * part.element_size() for part in parts)


def test_an_optimizer_whose_state_depends_on_the_data_is_refused():
    class Fickle(torch.optim.SGD):
        def step(self, closure=None):
            param = self.param_groups[0]["params"][0]
            self.state[param] = {"large": torch.empty(0)}
            self.state[param]["large"] = param.grad[param.grad.abs() > 0.001].clone()

    with pytest.raises(UserError, match="Fickle cannot be predicted"):
        state_bytes_of(Fickle, {}, torch.float32)(Weight("w", (30, 20)))


def test_frozen_weights_have_neither_gradient_nor_state():
    weights = [Weight("a", (10, 10)), Weight("b", (1000,), "frozen")]
    state_bytes = state_bytes_of(torch.optim.SGD, {"momentum": 0.9}, torch.float32)
    needs = footprint(weights, state_bytes, torch.float32)
    assert (needs.parameters, needs.weights, needs.gradients, needs.state) == (1100, 4400, 400, 400)
    assert needs.total == 5200


@pytest.mark.parametrize(
    ("options", "bound"),
    [
        ({"state_dtype": "bfloat16", "moment_policy": "reset"}, 0.62),
        ({"state_dtype": "bfloat16"}, 0.82),
        ({"state_dtype": "bfloat16", "moment_policy": "reset", "density": 0.01}, 0.065),
        ({"state_dtype": "bfloat16", "density": 0.01}, 0.085),
    ],
    ids=str,
)
def test_compact_state_takes_the_promised_bytes_a_parameter(options, bound):
    weight = Weight("w", (4096, 4096))
    each = state_bytes_of(NanoAdam, options, torch.float32)(weight) / weight.numel
    assert 0.9 * bound < each <= bound


def test_microadam_takes_the_promised_bytes_a_parameter():
    weight = Weight("w", (4096, 4096))
    assert 0.96 < state_bytes_of(MicroAdam, {}, torch.float32)(weight) / weight.numel <= 0.97
