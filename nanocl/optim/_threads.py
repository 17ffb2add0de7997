"""Runs compiled loops over the pieces of many parameters on torch's number of threads."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import accumulate, groupby
from typing import Any, NamedTuple

import numpy as np
import torch

WORTHWHILE = 32768  # entries a thread: with fewer, waking the thread takes longer than the loop
PROCESS = os.getpid()  # a forked child has none of OpenMP's threads
_Body = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class Work(NamedTuple):
    """A loop over pieces 0 ... pieces - 1 that can be split anywhere and releases the GIL.

    Attributes:
        loop: Called as `loop(*args, first, last)`.
        pieces: Number of pieces.
        cost: Of all pieces, at least 1, in units of a sequentially updated entry; threads get equal
            shares of it.
        row: The integers that differ between parameters. Consecutive works with one loop and the
            same `args` object become one call, `loop(table, *args, first, last)`. The table has a
            row for each of them, preceded by three columns: where its cost begins in the sum of
            costs, its cost, and its pieces. `first` and `last` are then positions in the sum of
            costs.
    """

    loop: Callable[..., None]
    args: tuple[Any, ...]
    pieces: int
    cost: int
    row: tuple[int, ...] = ()


Share = list[tuple[Work, int, int]]


def run(works: Sequence[Work]) -> None:
    """Do all the work on at most `torch.get_num_threads()` threads, including the caller's."""
    works = _joined(works)
    total = sum(work.cost for work in works)
    threads = max(1, min(torch.get_num_threads(), total // WORTHWHILE))
    shares = _shares(works, total, threads)
    openmp = _openmp() if threads > 1 and os.getpid() == PROCESS else None
    if threads == 1:
        _do(shares[0])
    elif openmp is not None:
        _run_in_team(shares, *openmp)
    else:
        _run_in_pool(shares)


def _joined(works: Sequence[Work]) -> list[Work]:
    """Join works with rows: for a small parameter a call takes longer than its loop."""
    joined: list[Work] = []
    for _, alike in groupby(works, lambda work: (id(work.loop), id(work.args))):
        same = list(alike)
        if same[0].row:
            cost = sum(work.cost for work in same)
            joined.append(Work(same[0].loop, (table_of(same), *same[0].args), cost, cost))
        else:
            joined += same
    return joined


def table_of(works: Sequence[Work]) -> np.ndarray:
    """The table of works that are joined; see `Work`."""
    ends = accumulate(work.cost for work in works)
    rows = [
        (end - work.cost, work.cost, work.pieces, *work.row)
        for end, work in zip(ends, works, strict=True)
    ]
    return np.array(rows, np.int64)


def _shares(works: Sequence[Work], total: int, threads: int) -> list[Share]:
    """For each thread its works, each with its first piece and the one after its last."""
    shares: list[Share] = [[] for _ in range(threads)]
    before = 0
    for work in works:
        begin = before
        before = before + work.cost
        first = 0
        thread = begin * threads // total
        while first < work.pieces:
            end = total * (thread + 1) / threads  # where the thread's share of the cost ends
            last = work.pieces if end >= before else round((end - begin) / work.cost * work.pieces)
            if first < last:
                shares[thread].append((work, first, last))
                first = last
            thread += 1
    return shares


def _do(share: Share) -> None:
    for work, first, last in share:
        work.loop(*work.args, first, last)


def _run_in_team(shares: list[Share], start: Callable[..., None], end: Callable[[], None]) -> None:
    """Run on torch's own threads.

    After an operation of torch they wait for the next one by spinning. Any other thread would have
    to share a core with them for milliseconds.
    """
    waiting = iter(shares)
    errors: list[BaseException] = []

    def take(_: int | None) -> None:
        try:
            for share in waiting:  # not one share each: the team may be smaller than requested
                _do(share)
        except BaseException as error:  # it cannot pass through C
            errors.append(error)

    # with all threads: OpenMP would end the rest of them for a smaller team
    body = _Body(take)
    team = torch.get_num_threads()
    try:
        start(body, None, team)
        # the caller's part is outside of `take`, where C would lose an interrupt
        for share in waiting:
            _do(share)
    finally:
        end()
    if errors:
        raise errors[0]


@lru_cache(maxsize=1)
def _openmp() -> tuple[Any, Any] | None:
    """The functions that begin and end a parallel region in torch's OpenMP library, if it has them.

    GCC compiles a region to calls of these. So libgomp has them, and therefore Intel's and LLVM's
    libraries for Linux.
    """
    try:
        library = ctypes.CDLL(torch._C.__file__)  # also finds names in its dependencies
        start = library.GOMP_parallel_start
        end = library.GOMP_parallel_end
    except (OSError, AttributeError):
        return None
    start.argtypes = (_Body, ctypes.c_void_p, ctypes.c_uint)
    start.restype = None
    end.argtypes = ()
    end.restype = None
    return start, end


def _run_in_pool(shares: list[Share]) -> None:
    mine, *others = shares
    futures = [_pool(os.getpid(), len(others)).submit(_do, share) for share in others]
    _do(mine)
    for future in futures:
        future.result()


@lru_cache(maxsize=4)
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """Threads of this process; a forked child inherits the object without its threads."""
    return ThreadPoolExecutor(threads, thread_name_prefix="nanocl-optim")
