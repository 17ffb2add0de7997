"""The Triton kernel: in Triton's interpreter, compiled without a GPU, and on a GPU."""

import importlib

import pytest
import torch
from torch import nn

from nanocl.optim import NanoAdam, _backend

pytest.importorskip("triton")
CASES = [
    {"density": 0.1, "mask_interval": 3},
    {"density": 0.1, "moment_policy": "reset", "mask_interval": 2},
    {"density": 1.0},
    {"density": 0.3, "chunk_size": 100, "weight_rounding": "stochastic"},
    {"density": 0.2, "chunk_size": None, "moment_policy": "slot"},
]


@pytest.fixture
def load(monkeypatch):
    """Loads the kernel for the interpreter or for the compiler."""

    _backend._function.cache_clear()  # it holds functions of the module as loaded before

    def reload(interpret):
        monkeypatch.setenv("TRITON_INTERPRET", "1" if interpret else "0")
        return importlib.reload(importlib.import_module("nanocl.optim._triton.adamw"))

    yield reload
    _backend._function.cache_clear()


def train(param, options, dtype, steps=6):
    optimizer = NanoAdam([param], lr=0.05, weight_decay=0.1, **options)
    for step in range(steps):
        drawn = torch.randn(len(param), generator=torch.Generator().manual_seed(step))
        param.grad = drawn.to(device=param.device, dtype=dtype)
        optimizer.step()
    return optimizer.state[param]


def assert_same_training(make, options, dtype, state_dtype):
    """The kernel takes the plain steps; in 16 bits a few values round to the other neighbour."""
    weights = torch.randn(3001, generator=torch.Generator().manual_seed(9)).to(dtype)
    params = nn.Parameter(weights.clone()), make(weights.clone())
    plain = train(params[0], {**options, "state_dtype": state_dtype, "fused": False}, dtype)
    ours = train(params[1], {**options, "state_dtype": state_dtype}, dtype)
    for one, other in (
        (params[0], params[1]),
        (plain["mean"], ours["mean"]),
        (plain["square"], ours["square"]),
    ):
        one, other = one.detach().float(), other.detach().float().cpu()
        coarse = dtype != torch.float32 or state_dtype == "bfloat16"
        assert ((other - one).abs() > 1e-5 * (1 + one.abs())).sum() <= 3
        torch.testing.assert_close(
            other, one, rtol=2**-7 if coarse else 1e-5, atol=1e-3 if coarse else 1e-7
        )


@pytest.mark.parametrize("options", CASES)
@pytest.mark.parametrize(
    ("dtype", "state_dtype"),
    [
        (torch.float32, None),
        (torch.float32, "bfloat16"),
        (torch.bfloat16, "bfloat16"),
        (torch.float16, None),
    ],
)
def test_the_interpreted_kernel_steps_like_plain_pytorch(
    load, monkeypatch, options, dtype, state_dtype
):
    load(interpret=True)
    kind = {False: "_plain", None: "_triton"}
    monkeypatch.setattr(_backend, "kind_for", lambda param, fused: kind[fused])
    kernel = _backend.function_for(torch.ones(1), None, "adamw")
    assert kernel.__module__ == "nanocl.optim._triton.adamw"
    assert_same_training(nn.Parameter, options, dtype, state_dtype)


@pytest.mark.parametrize(
    ("param", "state", "sparse"),
    [("*fp32", "*fp32", True), ("*i16", "*i16", True), ("*fp16", "*fp32", False)],
)
@pytest.mark.parametrize("capability", [80, 90])
def test_the_kernel_compiles_for_a_gpu(load, param, state, sparse, capability):
    compiler, backends = (
        pytest.importorskip("triton.compiler"),
        pytest.importorskip("triton.backends.compiler"),
    )
    kernel = load(interpret=False)._adamw
    types = {
        "param": param,
        "grad": param,
        "mean": state,
        "square": state,
        "start": "*i64",
        "offset": "*i16",
        "age": "*i16",
        "inverse1": "*fp32",
        "inverse2": "*fp32",
        "since": "i32",
        "oldest": "i32",
        "chunk": "i32",
        "numel": "i64",
        "key": "i64",
        "weight_key": "i64",
    }
    constants = {
        "SPARSE": sparse,
        "AGED": sparse,
        "STOCHASTIC": sparse,
        "PARAM_BITS": param == "*i16",
        "STATE_BITS": state == "*i16",
        "BLOCK": 1024,
        "PARTS": 4,
    }
    signature = {
        name: "constexpr" if name in constants else types.get(name, "fp32")
        for name in kernel.arg_names
    }
    places = {(kernel.arg_names.index(name),): value for name, value in constants.items()}
    source = compiler.ASTSource(kernel, signature, constexprs=places)
    compiled = compiler.compile(source, target=backends.GPUTarget("cuda", capability, 32))
    assert f"sm_{capability}" in compiled.asm["ptx"] and len(compiled.asm["cubin"]) > 1000


@pytest.mark.gpu
@pytest.mark.parametrize("options", CASES)
@pytest.mark.parametrize(
    ("dtype", "state_dtype"),
    [
        (torch.float32, None),
        (torch.float32, "bfloat16"),
        (torch.bfloat16, "bfloat16"),
        (torch.float16, None),
    ],
)
def test_the_kernel_on_a_gpu_steps_like_plain_pytorch(options, dtype, state_dtype):
    def on_gpu(weights):
        return nn.Parameter(weights.cuda())

    assert_same_training(on_gpu, {**options, "fused": True}, dtype, state_dtype)
