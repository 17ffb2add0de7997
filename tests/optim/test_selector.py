"""The compiled selection takes the entries of the plain one, bit for bit."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from trajectories import weights_of

from nanocl.optim._compiled import selector as compiled
from nanocl.optim._plain import selector as plain

DTYPES = (torch.float32, torch.bfloat16, torch.float64)
quick = settings(max_examples=max(40, settings().max_examples // 5))


SPECIAL = torch.tensor([0.0, -0.0, 1e-40, -1e-40, 1.0, -1.0, math.inf, -math.inf, math.nan])


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
    ours = compiled.select(values, density, chunk, largest=largest)
    expected = plain.select(values, density, chunk, largest=largest)
    assert ours.dtype == expected.dtype and torch.equal(ours, expected)


@quick
@given(
    length=st.integers(1, 300),
    seed=st.integers(0, 99),
    grain=st.sampled_from([0, 1, 30]),
    density=st.sampled_from([0.001, 0.3, 1.0]),
)
def test_sorting_selects_what_the_threshold_selects(length, seed, grain, density):
    rows = weights_of(5 * length, seed, torch.float32, grain).view(5, length).abs()
    count = plain.quota(length, density)
    assert torch.equal(plain._lowest_by_sorting(rows, count), plain._lowest_of_rows(rows, density))


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
        compiled.select_random(key, numel, density, chunk, device),
        plain.select_random(key, numel, density, chunk, device),
    )


@pytest.mark.parametrize("largest", [False, True])
def test_the_same_few_of_a_long_chunk_are_selected(largest):
    values = weights_of(100_000, 0, torch.float32, 0)
    values[::7] = values[3]
    for density in (1e-4, 0.002, 0.01, 0.02, 0.1):
        assert torch.equal(
            compiled.select(values, density, 32768, largest=largest),
            plain.select(values, density, 32768, largest=largest),
        )
