"""The compiled steps against plain PyTorch: equal up to rounding."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from trajectories import weights_of

from nanocl.optim import MicroAdam, NanoAdam

quick = settings(max_examples=max(40, settings().max_examples // 5))


STATES = (
    (torch.float32, None),
    (torch.float32, "bfloat16"),
    (torch.bfloat16, "bfloat16"),
    (torch.float64, None),
)


def assert_rounded(ours, plain, dtype, terms=1):
    """Equal up to rounding; in bfloat16 a few values may round to the other neighbour.

    A sum that nearly cancels is as inexact as its largest term, in the type of the arithmetic:
    `terms` is about the size of that term, 0 if nothing cancels.
    """
    ours, plain = ours.double().flatten(), plain.double().flatten()
    tiny = torch.finfo(torch.float32 if dtype == torch.bfloat16 else dtype).eps
    if dtype == torch.bfloat16:
        assert (ours != plain).sum() <= 1 + len(plain) // 500
    torch.testing.assert_close(
        ours, plain, rtol=2**-7 if dtype == torch.bfloat16 else 16 * tiny, atol=16 * tiny * terms
    )


def twins(make, numel, seed, dtype, grain):
    weights = weights_of(numel, seed, dtype, grain)
    params = [nn.Parameter(weights.clone()) for _ in range(2)]
    return params, [make(param, fused) for param, fused in zip(params, (True, False), strict=True)]


def step_both(params, optimizers, step):
    """Copy weights and state of the plain one to the compiled one, and step both once."""
    params[0].data.copy_(params[1].data)
    groups = optimizers[0].state_dict()["param_groups"]
    optimizers[0].load_state_dict({**optimizers[1].state_dict(), "param_groups": groups})
    generator = torch.Generator().manual_seed(step)
    gradient = torch.randn(len(params[1]), generator=generator, dtype=torch.float64)
    for param, optimizer in zip(params, optimizers, strict=True):
        param.grad = gradient.to(param.dtype)
        optimizer.step()


@quick
@given(
    numel=st.integers(1, 2000),
    seed=st.integers(0, 99),
    dtypes=st.sampled_from(STATES),
    grain=st.sampled_from([0, 9]),
    density=st.sampled_from([0.0, 0.001, 0.05, 0.5, 1.0]),
    chunk=st.sampled_from([1, 50, 1000, 32768, None]),
    interval=st.integers(1, 4),
    select=st.sampled_from(["small", "large", "random", "gradient", "gallop", "static-small"]),
    policy=st.sampled_from(["carry", "reset", "slot"]),
    scope=st.sampled_from(["selected", "all"]),
    rounding=st.sampled_from(["nearest", "stochastic"]),
    schedule=st.booleans(),
)
def test_a_step_of_nanoadam_is_the_plain_step(
    numel, seed, dtypes, grain, density, chunk, interval, select, policy, scope, rounding, schedule
):
    scheduled = schedule and select != "static-small"
    params, optimizers = twins(
        lambda param, fused: NanoAdam(
            [param],
            lr=0.05,
            weight_decay=0.1,
            density=density,
            chunk_size=chunk,
            mask_interval=interval,
            select=select,
            moment_policy=policy,
            decay_scope=scope,
            weight_rounding=rounding,
            seed=seed,
            fused=fused,
            state_dtype=dtypes[1],
            final_density=0.2 if scheduled else None,
            total_steps=5 if scheduled else None,
            density_interval=2,
        ),
        numel,
        seed,
        dtypes[0],
        grain,
    )
    for step in range(7):
        step_both(params, optimizers, step)
        ours, plain = (
            optimizer.state[param] for optimizer, param in zip(optimizers, params, strict=True)
        )
        assert ours.keys() == plain.keys()
        for name, value in plain.items():
            if name in ("mean", "square"):
                assert_rounded(ours[name], value, value.dtype, terms=name == "mean")
            else:
                assert (
                    torch.equal(ours[name], value)
                    if torch.is_tensor(value)
                    else ours[name] == value
                )
        assert_rounded(params[0], params[1], dtypes[0])


@quick
@given(
    numel=st.integers(1, 2000),
    seed=st.integers(0, 99),
    grain=st.sampled_from([0, 9]),
    dtypes=st.sampled_from(
        [(torch.float32, None), (torch.bfloat16, None), (torch.float64, "float64")]
    ),
    density=st.sampled_from([0.001, 0.01, 0.1, 1.0]),
    blocks=st.sampled_from([(64, 64), (96, 32), (1000, 2), (None, 64), (None, 4096)]),
    window=st.integers(1, 4),
    decay=st.sampled_from([0.0, 0.1]),
    eps=st.sampled_from([0.0, 1e-8]),
)
def test_a_step_of_microadam_is_the_plain_step(
    numel, seed, grain, dtypes, density, blocks, window, decay, eps
):
    params, optimizers = twins(
        lambda param, fused: MicroAdam(
            [param],
            lr=0.05,
            weight_decay=decay,
            eps=eps,
            density=density,
            block_size=blocks[0],
            quant_block=blocks[1],
            window=window,
            state_dtype=dtypes[1],
            fused=fused,
        ),
        numel,
        seed,
        dtypes[0],
        grain,
    )
    for step in range(6):
        step_both(params, optimizers, step)
        ours, plain = (
            optimizer.state[param] for optimizer, param in zip(optimizers, params, strict=True)
        )
        for name, value in plain.items():
            assert (
                torch.equal(ours[name], value) if torch.is_tensor(value) else ours[name] == value
            ), name
        assert_rounded(params[0], params[1], dtypes[0])


@pytest.mark.parametrize(
    "make",
    [
        lambda params, fused: NanoAdam(params, lr=0.01, mask_interval=3, fused=fused),
        lambda params, fused: NanoAdam(params, lr=0.01, density=1.0, fused=fused),
        lambda params, fused: MicroAdam(params, lr=0.01, fused=fused),
    ],
)
def test_several_threads_and_tensors_give_the_bits_of_one_thread(make):
    results, threads = [], torch.get_num_threads()
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            params = [
                nn.Parameter(weights_of(numel, 0, torch.float32, 0))
                for numel in (150_001, 7, 40_000, 0)
            ]
            optimizer = make(params, True)
            for step in range(5):
                for param in params:
                    param.grad = weights_of(len(param), step, torch.float32, 0)
                optimizer.step()
            results.append(params)
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))


def test_optimizers_may_step_in_different_threads_at_once():
    def train(seed):
        param = nn.Parameter(weights_of(100_000, seed, torch.float32, 0))
        optimizer = NanoAdam([param], lr=0.01, mask_interval=2)
        for step in range(10):
            param.grad = weights_of(100_000, step, torch.float32, 0)
            optimizer.step()
        return param

    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(train, range(3)))
    assert all(torch.equal(param, train(seed)) for seed, param in enumerate(together))


def bit_patterns(numel, dtype):
    """Finite numbers of every exponent, some of them zeros of both signs."""
    generator = torch.Generator().manual_seed(numel)
    width = dtype.itemsize * 8
    drawn = torch.randint(-(2 ** (width - 1)), 2 ** (width - 1) - 1, (numel,), generator=generator)
    values = drawn.to({16: torch.int16, 32: torch.int32, 64: torch.int64}[width]).view(dtype)
    values[::11], values[5::11] = 0.0, -0.0
    return torch.where(values.isfinite(), values, 1)


@pytest.mark.parametrize("numel", [33_001, 32_768 * 2 + 64 + 63])
@pytest.mark.parametrize("bucket", [2, 64])
@pytest.mark.parametrize(
    ("dtype", "state_dtype"),
    [
        (torch.float32, None),
        (torch.float32, torch.float32),
        (torch.float64, None),
        (torch.bfloat16, None),
    ],
)
def test_compiled_codes_bounds_and_window_are_the_plain_ones_bit_for_bit(
    numel, bucket, dtype, state_dtype
):
    gradients = [
        torch.randn(numel, generator=torch.Generator().manual_seed(step)).to(dtype)
        for step in range(2)
    ]
    gradients.append(bit_patterns(numel, dtype))
    states: list[list[dict[str, torch.Tensor]]] = []
    for fused in (None, False):
        param = nn.Parameter(torch.ones(numel, dtype=dtype))
        optimizer = MicroAdam(
            [param], quant_block=bucket, window=2, state_dtype=state_dtype, fused=fused
        )
        states.append([])
        for gradient in gradients:
            param.grad = gradient
            optimizer.step()
            states[-1].append(
                {
                    name: value.clone()
                    for name, value in optimizer.state[param].items()
                    if isinstance(value, torch.Tensor)
                }
            )
    for ours, plain in zip(*states, strict=True):
        for name, value in plain.items():
            assert torch.equal(ours[name], value), name
