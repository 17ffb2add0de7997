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
    """Loads the kernels for the interpreter or for the compiler."""

    _backend._function.cache_clear()  # it holds functions of the module as loaded before

    def reload(interpret):
        monkeypatch.setenv("TRITON_INTERPRET", "1" if interpret else "0")
        names = ("entries", "adamw", "adamw_on_device")
        modules = [importlib.import_module(f"nanocl.optim._triton.{name}") for name in names]
        return [importlib.reload(module) for module in modules][1:]

    yield reload
    _backend._function.cache_clear()


def train(param, options, dtype, steps=6):
    optimizer = NanoAdam([param], **{"lr": 0.05, "weight_decay": 0.1, **options})
    for step in range(steps):
        drawn = torch.randn(len(param), generator=torch.Generator().manual_seed(step))
        param.grad = drawn.to(device=param.device, dtype=dtype)
        optimizer.step()
    return optimizer.state[param]


def assert_same_training(make, options, dtype, state_dtype, **more):
    """The kernel takes the plain steps; in 16 bits a few values round to the other neighbour."""
    weights = torch.randn(3001, generator=torch.Generator().manual_seed(9)).to(dtype)
    params = nn.Parameter(weights.clone()), make(weights.clone())
    plain = train(params[0], {**options, "state_dtype": state_dtype, "fused": False}, dtype)
    ours = train(params[1], {**options, **more, "state_dtype": state_dtype}, dtype)
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


TYPES = pytest.mark.parametrize(
    ("dtype", "state_dtype"),
    [
        (torch.float32, None),
        (torch.float32, "bfloat16"),
        (torch.bfloat16, "bfloat16"),
        (torch.float16, None),
    ],
)


@pytest.mark.parametrize("options", CASES)
@TYPES
def test_the_interpreted_kernel_steps_like_plain_pytorch(
    load, monkeypatch, options, dtype, state_dtype
):
    load(interpret=True)
    kind = {False: "_plain", None: "_triton"}
    monkeypatch.setattr(_backend, "kind_for", lambda param, fused: kind[fused])
    kernel = _backend.function_for(torch.ones(1), None, "adamw")
    assert kernel.__module__ == "nanocl.optim._triton.adamw"
    assert_same_training(nn.Parameter, options, dtype, state_dtype)


ON_DEVICE = [
    *CASES[:3],
    {"density": 0.3, "chunk_size": 1000, "weight_rounding": "stochastic"},
    {"density": 0.2, "chunk_size": None, "moment_policy": "slot", "lr": 0.05},
    {"density": 0.2, "decay_scope": "all"},
]


@pytest.mark.parametrize(
    ("options", "dtype", "state_dtype"),
    [
        *((options, torch.float32, None) for options in ON_DEVICE),
        (ON_DEVICE[3], torch.float32, "bfloat16"),
        (ON_DEVICE[3], torch.bfloat16, "bfloat16"),
        (ON_DEVICE[5], torch.float16, None),
    ],
)
def test_the_interpreted_kernel_with_counts_on_the_device_steps_like_plain_pytorch(
    load, monkeypatch, options, dtype, state_dtype
):
    load(interpret=True)
    kind = {False: "_plain", None: "_triton"}
    monkeypatch.setattr(_backend, "kind_for", lambda param, fused: kind[fused])
    kernel = _backend.function_for(torch.ones(1), None, "adamw_on_device")
    assert kernel.__module__ == "nanocl.optim._triton.adamw_on_device"
    more = {"capturable": True, "lr": torch.tensor(0.05), **options}
    assert_same_training(nn.Parameter, options, dtype, state_dtype, **more)


def train_together(params, options, steps=8):
    """Train several parameters in two groups, one of which has a new gradient tensor each step."""
    groups = [{"params": params[:3]}, {"params": params[3:], "density": 1.0}]
    optimizer = NanoAdam(groups, lr=0.05, weight_decay=0.1, **options)
    for step in range(steps):
        generator = torch.Generator().manual_seed(step)
        for number, param in enumerate(params):
            drawn = torch.randn(param.shape, generator=generator)
            drawn = drawn.to(device=param.device, dtype=param.dtype)
            if param.grad is None or number % 2:
                param.grad = drawn
            else:
                param.grad.copy_(drawn)
        if step == 5:
            params[1].grad = None  # a frozen layer: the others are stepped all the same
        optimizer.param_groups[0]["lr"] = 0.05 / (1 + step)
        optimizer.step()
    return optimizer


def drawn_parameters(move, dtype):
    sizes = (3001, 40, 1000, 77, 513)
    drawn = [torch.randn(n, generator=torch.Generator().manual_seed(n)) for n in sizes]
    return [move(weights.to(dtype)) for weights in drawn]


TOGETHER = [
    {"density": 0.1, "mask_interval": 3},
    {"density": 0.1, "mask_interval": 4, "moment_policy": "reset"},
    {"density": 0.3, "chunk_size": 100, "mask_interval": 100},
]


def assert_same_together(move, options, dtype):
    ours, plain = drawn_parameters(move, dtype), drawn_parameters(nn.Parameter, dtype)
    optimizer = train_together(ours, options)
    train_together(plain, {**options, "fused": False})
    coarse = dtype != torch.float32
    for one, other in zip(ours, plain, strict=True):
        one, other = one.detach().cpu().float(), other.detach().float()
        apart = (one - other).abs() > (2**-7 if coarse else 1e-5) * (1 + other.abs())
        assert apart.sum() <= 0.01 * one.numel()  # rounding may change what is selected next
    return optimizer


@pytest.mark.parametrize("options", TOGETHER)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_one_launch_for_many_parameters_steps_like_plain_pytorch(load, monkeypatch, options, dtype):
    load(interpret=True)
    repeat = importlib.reload(importlib.import_module("nanocl.optim._triton.repeat"))
    kind = {False: "_plain", None: "_triton"}
    monkeypatch.setattr(_backend, "kind_for", lambda param, fused: kind[fused])
    monkeypatch.setattr(repeat, "fits", lambda param: param.grad is not None)
    launches, again = [], repeat.RepeatedLaunch.again
    monkeypatch.setattr(
        repeat.RepeatedLaunch,
        "again",
        lambda self, *step: launches.append(len(step[0])) or again(self, *step),
    )
    filled, again_filled = repeat.RepeatedLaunch._filled, []

    def fill_elsewhere(self, params):
        with torch.device("meta"):  # as torch.set_default_device does; the parameters' counts
            again_filled.append(filled(self, params))
        return again_filled[-1]

    monkeypatch.setattr(repeat.RepeatedLaunch, "_filled", fill_elsewhere)
    assert_same_together(nn.Parameter, options, dtype)
    assert {table.device.type for table in again_filled} == {"cpu"}
    assert launches.count(3) >= 3 and launches.count(2) >= 5


@pytest.mark.gpu
@pytest.mark.parametrize("options", TOGETHER)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_one_launch_for_many_parameters_on_a_gpu_steps_like_plain_pytorch(options, dtype):
    if dtype == torch.bfloat16:
        options = {**options, "state_dtype": "float32"}
    optimizer = assert_same_together(lambda weights: nn.Parameter(weights.cuda()), options, dtype)
    repeated = {number: type(one).__name__ for number, one in optimizer._repeated.items()}
    # without ages one launch needs equal step counts, and one parameter has missed a step
    together = [1] if "moment_policy" in options else [0, 1]
    assert repeated == dict.fromkeys(together, "RepeatedLaunch")


@pytest.mark.parametrize(
    ("param", "state", "sparse"),
    [("*fp32", "*fp32", True), ("*i16", "*i16", True), ("*fp16", "*fp32", False)],
)
@pytest.mark.parametrize("capability", [80, 90])
def test_the_kernel_compiles_for_a_gpu(load, param, state, sparse, capability):
    kernel = load(interpret=False)[0]._adamw
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
    assert_compiles(kernel, types, constants, capability)


@pytest.mark.parametrize(("param", "sparse"), [("fp32", True), ("int16", True), ("fp16", False)])
@pytest.mark.parametrize("capability", [80, 90])
def test_the_kernel_for_many_parameters_compiles_for_a_gpu(load, param, sparse, capability):
    from triton import language

    kernel = load(interpret=False)[0]._adamw_together
    types = {"table": "*i64", "owner": "*i32", "inverse1": "*fp32", "inverse2": "*fp32"}
    types |= {"since": "i32", "oldest": "i32"}
    elements = {"fp32": language.float32, "int16": language.int16, "fp16": language.float16}
    constants = {
        "PARAM": elements[param],
        "OFFSET": language.int16,
        "SPARSE": sparse,
        "AGED": sparse,
        "PARAM_BITS": param == "int16",
        "COLUMNS": 11,
        "BLOCK": 1024,
        "PARTS": 4,
    }
    assert_compiles(kernel, types, constants, capability)


@pytest.mark.parametrize(
    ("param", "sparse", "lr"), [("*fp32", True, "*fp32"), ("*i16", True, "fp32")]
)
def test_the_kernel_with_counts_on_the_device_compiles_for_a_gpu(load, param, sparse, lr):
    kernel = load(interpret=False)[1]._adamw_on_device
    types = dict.fromkeys(("start", "step", "chosen"), "*i64")
    types |= dict.fromkeys(("mean", "square"), "*fp32") | dict.fromkeys(("param", "grad"), param)
    types |= {"offset": "*i16", "age": "*i16", "lr": lr, "chunk": "i32"}
    types |= {"numel": "i64", "key": "i64"}
    constants = dict.fromkeys(("SPARSE", "AGED", "STOCHASTIC"), sparse)
    constants |= {"COUNTS_ALL": not sparse, "LR_ON_DEVICE": lr == "*fp32", "STATE_BITS": False}
    constants |= {"PARAM_BITS": param == "*i16", "MOMENTS": 0, "WEIGHTS": 1}
    constants |= {"BLOCK": 1024, "PARTS": 4}
    assert_compiles(kernel, types, constants, 90)


def assert_compiles(kernel, types, constants, capability):
    compiler = pytest.importorskip("triton.compiler")
    backends = pytest.importorskip("triton.backends.compiler")
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
@TYPES
def test_the_kernel_on_a_gpu_steps_like_plain_pytorch(options, dtype, state_dtype):
    def on_gpu(weights):
        return nn.Parameter(weights.cuda())

    assert_same_training(on_gpu, {**options, "fused": True}, dtype, state_dtype)
