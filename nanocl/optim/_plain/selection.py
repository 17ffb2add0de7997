"""The layout of a selection of a parameter's entries.

A parameter is flattened in row-major order and cut into chunks. A selection is two tensors:
`start`, shape (chunks + 1,), int64, where the entries of each chunk begin; and `offset`, shape
(selected,), the position of each entry in its chunk, ascending, in 16 bits if the chunk allows it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

# the longest chunk whose offsets fit int16 (uint16 tensors cannot be pickled)
SHORT_CHUNK = 1 << 15
CPU = torch.device("cpu")  # whatever torch.set_default_device says


def quota(length: int, density: float) -> int:
    """Entries selected of a chunk: ceil(density * length), at least 1 unless the density is 0.

    The product is first lowered by a relative 1e-9, so that 0.07 of 100 gives 7 and not 8.
    """
    if density <= 0 or length == 0:
        return 0
    return min(length, max(1, math.ceil(density * length * (1 - 1e-9))))


def selected_count(numel: int, density: float, chunk: int | None) -> int:
    """Entries selected of a parameter of `numel` entries."""
    chunk = chunk_length(numel, chunk)
    return numel // chunk * quota(chunk, density) + quota(numel % chunk, density)


def chunk_length(numel: int, chunk: int | None) -> int:
    """Entries of a chunk; None is the whole parameter."""
    if chunk is None:
        return max(1, numel)
    return chunk


def offset_dtype(chunk: int) -> torch.dtype:
    """The narrowest integer type that holds every offset in a chunk."""
    if chunk <= SHORT_CHUNK:
        return torch.int16
    if chunk <= 1 << 31:
        return torch.int32
    return torch.int64


def even_starts(
    numel: int,
    density: float,
    chunk: int,
    device: torch.device = CPU,
) -> Tensor:
    """`start` of a selection that takes the same share of every chunk."""
    chunks = -(-numel // chunk)
    start = torch.arange(chunks + 1, device=device) * quota(chunk, density)
    # a shorter last chunk has a smaller quota
    return start.clamp_(max=selected_count(numel, density, chunk))


def whole_buckets(block: int, bucket: int) -> bool:
    """Whether blocks are whole buckets, and buckets whole bytes of two 4-bit codes each."""
    return bucket % 2 == 0 and block % bucket == 0


def chunk_of(start: Tensor, selected: int) -> Tensor:
    """The chunk of each selected entry, shape (selected,), int64."""
    chunks = torch.arange(len(start) - 1, device=start.device)
    return torch.repeat_interleave(chunks, start.diff(), output_size=selected)


def flat_index(start: Tensor, offset: Tensor, chunk: int) -> Tensor:
    """Positions of the selected entries in the flat parameter, ascending, (selected,), int64."""
    return chunk_of(start, len(offset)) * chunk + offset.to(torch.int64)


def from_flat_index(index: Tensor, numel: int, chunk: int) -> tuple[Tensor, Tensor]:
    """`start` and `offset` of the selection of ascending positions in the flat parameter."""
    chunks = -(-numel // chunk)
    edges = torch.arange(chunks + 1, device=index.device) * chunk
    return torch.searchsorted(index, edges), (index % chunk).to(offset_dtype(chunk))
