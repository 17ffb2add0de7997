"""Runs compiled loops over the pieces of many parameters on as many threads as torch may use."""

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

WORTHWHILE = 32768  # entries a thread; for less, waking it takes longer than the loop
PROCESS = os.getpid()  # OpenMP's threads are not there in a forked child
_Body = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class Work(NamedTuple):
    """A loop over pieces 0 ... pieces - 1, which may be cut anywhere, that releases the interpreter lock.

    Attributes:
        loop: Called as `loop(*args, first, last)`.
        cost: Of all pieces, at least 1, in entries that are updated one behind the other, to share
            them out fairly.
        row: What differs from parameter to parameter, as integers. Then works that follow one
            another with one loop and the very same `args` become one call, as `loop(table, *args,
            first, last)`: a row each, before it where its cost begins among that of all, its cost
            and its pieces; `first` and `last` are places in the cost.
    """

    loop: Callable[..., None]
    args: tuple[Any, ...]
    pieces: int
    cost: int
    row: tuple[int, ...] = ()


Share = list[tuple[Work, int, int]]


def run(works: Sequence[Work]) -> None:
    """Do all the work on at most `torch.get_num_threads()` threads, the calling one among them."""
    works = _joined(works)
    total = sum(work.cost for work in works)
    threads = max(1, min(torch.get_num_threads(), total // WORTHWHILE))
    shares = _shares(works, total, threads)
    if threads == 1:
        _do(shares[0])
    elif _openmp() is not None and os.getpid() == PROCESS:
        _run_in_team(shares)
    else:
        _run_in_pool(shares)


def _joined(works: Sequence[Work]) -> list[Work]:
    """A call takes longer than the loop for a small parameter, so those with rows are called together."""
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
    """The table of works that are called together; see `Work`."""
    ends = accumulate(work.cost for work in works)
    return np.array(
        [
            (end - work.cost, work.cost, work.pieces, *work.row)
            for end, work in zip(ends, works, strict=True)
        ],
        np.int64,
    )


def _shares(works: Sequence[Work], total: int, threads: int) -> list[Share]:
    """For each thread its works, with the first and behind the last piece of each."""
    shares: list[Share] = [[] for _ in range(threads)]
    before = 0
    for work in works:
        begin, before = before, before + work.cost
        first, thread = 0, begin * threads // total
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


def _run_in_team(shares: list[Share]) -> None:
    """On torch's own threads: after torch's last operation they wait for the next by spinning, and another thread would
    have to share a core with them for milliseconds."""
    waiting, errors = iter(shares), []

    def take(_: int | None) -> None:
        try:
            for share in waiting:  # not one each: the team may be smaller than asked for
                _do(share)
        except BaseException as error:  # it cannot pass through C
            errors.append(error)

    start, end = _openmp()
    body, team = (
        _Body(take),
        torch.get_num_threads(),
    )  # all threads: a smaller team would end the others
    try:
        start(
            body, None, team
        )  # the calling thread's own part is not inside, where an interrupt would be lost
        for share in waiting:
            _do(share)
    finally:
        end()
    if errors:
        raise errors[0]


@lru_cache(maxsize=1)
def _openmp() -> tuple[Any, Any] | None:
    """What begins and ends a parallel region in the OpenMP library that torch is linked with; None without the two.

    They are what GCC compiles a region to: in libgomp, and for that reason in Intel's and LLVM's
    libraries for Linux.
    """
    try:
        library = ctypes.CDLL(torch._C.__file__)  # names are looked up in what it depends on, too
        start, end = library.GOMP_parallel_start, library.GOMP_parallel_end
    except (OSError, AttributeError):
        return None
    start.argtypes, start.restype = (_Body, ctypes.c_void_p, ctypes.c_uint), None
    end.argtypes, end.restype = (), None
    return start, end


def _run_in_pool(shares: list[Share]) -> None:
    mine, *others = shares
    futures = [_pool(os.getpid(), len(others)).submit(_do, share) for share in others]
    _do(mine)
    for future in futures:
        future.result()


@lru_cache(maxsize=4)
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """Waiting threads; of this process, since a forked child inherits the object but not its threads."""
    return ThreadPoolExecutor(threads, thread_name_prefix="nanocl-optim")
