"""The layout of a selection, against counting by hand."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nanocl.optim._plain.selection import (
    even_starts,
    flat_index,
    from_flat_index,
    offset_dtype,
    quota,
    selected_count,
    whole_buckets,
)


@pytest.mark.parametrize(
    ("length", "density", "count"),
    [(100, 0.07, 7), (100, 0.071, 8), (100, 1e-9, 1), (100, 0.0, 0), (0, 0.5, 0), (7, 1.0, 7)],
)
def test_a_quota_is_the_share_rounded_up_and_at_least_one(length, density, count):
    assert quota(length, density) == count


@given(numel=st.integers(0, 500), density=st.floats(0, 1), chunk=st.integers(1, 90))
def test_starts_give_every_chunk_its_quota(numel, density, chunk):
    lengths = [min(chunk, numel - first) for first in range(0, numel, chunk)]
    quotas = [quota(length, density) for length in lengths]
    start = even_starts(numel, density, chunk)
    assert start.diff().tolist() == quotas
    assert selected_count(numel, density, chunk) == sum(quotas)


@given(chosen=st.sets(st.integers(0, 199)), chunk=st.integers(1, 210))
def test_positions_survive_the_layout(chosen, chunk):
    index = torch.tensor(sorted(chosen), dtype=torch.int64)
    start, offset = from_flat_index(index, 200, chunk)
    assert len(start) == math.ceil(200 / chunk) + 1
    assert torch.equal(flat_index(start, offset, chunk), index)


@pytest.mark.parametrize(
    ("chunk", "dtype"),
    [(32768, torch.int16), (32769, torch.int32), (1 << 31, torch.int32), (1 << 32, torch.int64)],
)
def test_offsets_take_the_narrowest_type_that_holds_them(chunk, dtype):
    assert offset_dtype(chunk) == dtype
    assert torch.iinfo(dtype).max >= chunk - 1


def test_buckets_are_whole_if_they_divide_the_block_and_fill_bytes():
    assert whole_buckets(64, 32)
    assert not whole_buckets(64, 48)
    assert not whole_buckets(63, 21)
