"""The compiled loops against plain PyTorch: the same entries bit for bit, the same values to rounding."""

import math
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from nanocl.optim import MicroAdam, NanoAdam
from nanocl.optim._compiled import adamw as _fused
from nanocl.optim._plain import adamw as _plain
from nanocl.optim._plain.rounding import random_bits, stochastic_bfloat16
from nanocl.optim._threads import Work, _shares, run

DTYPES = (torch.float32, torch.bfloat16, torch.float64)
STATES = (
    (torch.float32, None),
    (torch.float32, "bfloat16"),
    (torch.bfloat16, "bfloat16"),
    (torch.float64, None),
)
SPECIAL = torch.tensor([0.0, -0.0, 1e-40, -1e-40, 1.0, -1.0, math.inf, -math.inf, math.nan])
quick = settings(max_examples=max(40, settings().max_examples // 5))


def assert_rounded(ours, plain, dtype, terms=1):
    """Equal to rounding; in bfloat16 a neighbour now and then, where the unrounded values differ by a last bit.

    A sum that nearly cancels is as inexact as its largest term, in the type of the arithmetic:
        `terms` is about its
    size, 0 where nothing cancels.
    """
    ours, plain = ours.double().flatten(), plain.double().flatten()
    tiny = torch.finfo(torch.float32 if dtype == torch.bfloat16 else dtype).eps
    if dtype == torch.bfloat16:
        assert (ours != plain).sum() <= 1 + len(plain) // 500
    torch.testing.assert_close(
        ours, plain, rtol=2**-7 if dtype == torch.bfloat16 else 16 * tiny, atol=16 * tiny * terms
    )


def weights_of(numel, seed, dtype, grain):
    """Normal weights; on a coarse grid there are many ties and zeros."""
    drawn = torch.randn(numel, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return ((drawn * grain).round() / grain if grain else drawn).to(dtype)


@quick
@given(
    numel=st.integers(1, 3000),
    seed=st.integers(0, 99),
    dtype=st.sampled_from(DTYPES),
    largest=st.booleans(),
    grain=st.sampled_from([0, 1, 30]),
    density=st.sampled_from([0.0, 1e-6, 0.001, 0.01, 0.05, 0.3, 0.77, 1.0]),
    chunk=st.sampled_from([1, 7, 64, 1000, 32768, 40000]),
    special=st.booleans(),
)
def test_the_same_entries_are_selected(numel, seed, dtype, largest, grain, density, chunk, special):
    values = weights_of(numel, seed, dtype, grain)
    if special:
        place = torch.randint(numel, (len(SPECIAL),), generator=torch.Generator().manual_seed(seed))
        values[place] = SPECIAL.to(dtype)
    ours = _fused.select(values, density, chunk, largest=largest)
    plain = _plain.select(values, density, chunk, largest=largest)
    assert ours.dtype == plain.dtype and torch.equal(ours, plain)


@quick
@given(
    numel=st.integers(1, 3000),
    key=st.integers(0, 2**32 - 1),
    density=st.sampled_from([0.001, 0.1, 1.0]),
    chunk=st.sampled_from([7, 1000, 32768]),
)
def test_the_same_random_entries_are_selected(numel, key, density, chunk):
    device = torch.device("cpu")
    assert torch.equal(
        _fused.select_random(key, numel, density, chunk, device),
        _plain.select_random(key, numel, density, chunk, device),
    )


@pytest.mark.parametrize("largest", [False, True])
def test_the_same_few_of_a_long_chunk_are_selected(largest):
    values = weights_of(100_000, 0, torch.float32, 0)
    values[::7] = values[3]
    for density in (1e-4, 0.002, 0.01, 0.02, 0.1):
        assert torch.equal(
            _fused.select(values, density, 32768, largest=largest),
            _plain.select(values, density, 32768, largest=largest),
        )


def twins(make, numel, seed, dtype, grain):
    weights = weights_of(numel, seed, dtype, grain)
    params = [nn.Parameter(weights.clone()) for _ in range(2)]
    return params, [make(param, fused) for param, fused in zip(params, (True, False), strict=True)]


def step_both(params, optimizers, step):
    """Put the compiled one where the plain one is, through `load_state_dict`, and step both once."""
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
    select=st.sampled_from(["small", "large", "random", "gradient", "static-small"]),
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


@given(
    costs=st.lists(st.tuples(st.integers(1, 50), st.integers(1, 10**6)), min_size=1, max_size=8),
    threads=st.integers(1, 5),
)
def test_every_piece_of_work_is_shared_out_once_and_fairly(costs, threads):
    works = [Work(print, (number,), pieces, cost) for number, (pieces, cost) in enumerate(costs)]
    total = sum(work.cost for work in works)
    shares = _shares(works, total, threads)
    done = [
        (work.args[0], piece)
        for share in shares
        for work, first, last in share
        for piece in range(first, last)
    ]
    assert sorted(done) == [
        (number, piece) for number, (pieces, _) in enumerate(costs) for piece in range(pieces)
    ]
    largest_piece = max(work.cost / work.pieces for work in works)
    loads = [
        sum(work.cost / work.pieces * (last - first) for work, first, last in share)
        for share in shares
    ]
    assert max(loads) <= total / threads + len(works) * largest_piece


def test_an_error_in_a_thread_reaches_the_caller():
    def fail(first, last):
        raise RuntimeError(f"piece {first}")

    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with pytest.raises(RuntimeError, match="piece"):
            run([Work(fail, (), 2, 10**6)])
    finally:
        torch.set_num_threads(threads)


def test_stochastic_rounding_takes_the_nearer_neighbour_more_often():
    value = torch.full((20_000,), 1.0 + 2**-7 * 0.3)
    rounded = stochastic_bfloat16(value, random_bits(5, 20_000) & 0xFFFF).float()
    assert set(rounded.tolist()) == {1.0, 1.0 + 2**-7}
    assert abs((rounded > 1).float().mean().item() - 0.3) < 0.02


def test_stochastic_rounding_keeps_what_is_not_finite():
    values = torch.tensor([math.inf, -math.inf, math.nan])
    rounded = stochastic_bfloat16(values, torch.full((3,), 0xFFFF))
    assert rounded[0] == math.inf and rounded[1] == -math.inf and rounded[2].isnan()


@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
def test_a_gradient_that_is_not_a_number_is_not_hidden_by_bfloat16(rounding):
    param = nn.Parameter(torch.ones(4, dtype=torch.bfloat16))
    param.grad = torch.tensor([1.0, math.nan, math.inf, 1.0], dtype=torch.bfloat16)
    NanoAdam(
        [param], density=1.0, state_dtype="bfloat16", weight_rounding=rounding, fused=True
    ).step()
    assert param.isnan().tolist() == [False, True, True, False]


def test_kernels_that_were_asked_for_and_do_not_fit_are_refused():
    for param in (
        nn.Parameter(torch.ones(4, 3).t()),
        nn.Parameter(torch.ones(4, dtype=torch.float16)),
    ):
        param.grad = torch.ones_like(param)
        with pytest.raises(ValueError, match="fused must be False or None"):
            NanoAdam([param], fused=True).step()
        NanoAdam([param]).step()
    with pytest.raises(ValueError, match="quant_block"):
        MicroAdam([param], quant_block=7, fused=True)
