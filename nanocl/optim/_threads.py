"""Runs compiled loops over the pieces of many parameters on as many threads as torch may use."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import torch

WORTHWHILE = 32768  # entries a thread; for less, waking it takes longer than the loop


class Work(NamedTuple):
    """A loop over pieces 0 ... pieces - 1, which may be cut anywhere, that releases the interpreter lock.

    Attributes:
        loop: Called as `loop(*args, first, last)`.
        cost: Entries touched in all, at least 1, to share the pieces out fairly.
    """

    loop: Callable[..., None]
    args: tuple[Any, ...]
    pieces: int
    cost: int


def run(works: Sequence[Work]) -> None:
    """Do all the work on at most `torch.get_num_threads()` threads, the calling one among them."""
    total = sum(work.cost for work in works)
    threads = max(1, min(torch.get_num_threads(), total // WORTHWHILE))
    mine, *others = _shares(works, total, threads)
    futures = [_pool(os.getpid(), threads - 1).submit(_do, share) for share in others]
    _do(mine)
    for future in futures:
        future.result()


def _shares(works: Sequence[Work], total: int, threads: int) -> list[list[tuple[Work, int, int]]]:
    """For each thread its works, with the first and behind the last piece of each."""
    shares: list[list[tuple[Work, int, int]]] = [[] for _ in range(threads)]
    before = 0
    for work in works:
        shown = ((total * t / threads - before) / work.cost for t in range(threads + 1))
        edges = [round(min(max(share, 0.0), 1.0) * work.pieces) for share in shown]
        for share, (first, last) in zip(shares, pairwise(edges), strict=True):
            if first < last:
                share.append((work, first, last))
        before += work.cost
    return shares


def _do(share: list[tuple[Work, int, int]]) -> None:
    for work, first, last in share:
        work.loop(*work.args, first, last)


@lru_cache(maxsize=4)
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """Waiting threads; of this process, since a forked child inherits the object but not its threads."""
    return ThreadPoolExecutor(threads, thread_name_prefix="nanocl-optim")
