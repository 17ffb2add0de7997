"""Runs the compiled loops of `_penalty_loops` over many parameters.

They save about 0.2 ms a step, and loading numba takes 0.3 s. So a run computes with PyTorch's
operations, to the same bits, until numba is loaded or the run has turned out to be long.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import import_module
from operator import is_
from types import ModuleType

import torch
from torch import Tensor

from nanocl.optim._compiled.arrays import KINDS, arithmetic_type
from nanocl.optim._gradients import is_plain
from nanocl.optim._threads import WORTHWHILE, Work, run, table_of

TYPES = (torch.float32, torch.float64)
LONG = 2000  # steps after which loading numba pays
HEAD = 3  # columns that `Work` puts before each row of a table


def fits(steps: int, tensors: Iterable[Tensor]) -> bool:
    """Whether the loops pay after so many steps, and can read and write the tensors in place.

    They can if the tensors are dense, on the CPU and of one type.
    """
    if steps < LONG and "numba" not in sys.modules:
        return False
    tensors = list(tensors)
    return (
        bool(tensors)
        and tensors[0].dtype in TYPES
        and all(map(is_plain, tensors))
        and are_dense(tensors, tensors[0].dtype)
        and all(tensor.numel() for tensor in tensors)
        and _loops() is not None
    )


def are_dense(tensors: Sequence[Tensor], kind: torch.dtype) -> bool:
    """Whether the tensors have a type and lie on the CPU without gaps."""
    return all(t.dtype is kind and t.is_cpu and t.is_contiguous() for t in tensors)


class Rows:
    """The arguments of a loop: a row of addresses for each parameter.

    Making them takes as long as the loop over a small network, so they are kept from step to step.

    Attributes:
        kind: Type of the parameters.
        kept: Tensors whose addresses are in the rows.
    """

    def __init__(self, loop: str, columns: Sequence[Sequence[Tensor]]) -> None:
        loops = _loops()
        assert loops is not None
        self.kind = columns[0][0].dtype
        self.kept = columns
        self._loop = getattr(loops, loop)
        works = []
        for tensors in zip(*columns, strict=True):
            length = tensors[0].numel()
            row = (*[tensor.data_ptr() for tensor in tensors], length)
            works.append(Work(self._loop, (), -(-length // loops.BLOCK), length, row))
        self._table = table_of(works)
        self._cost = sum(work.cost for work in works)

    def hold(self, columns: Sequence[Sequence[Tensor]]) -> bool:
        """Whether the rows are those of these very tensors, in the last columns."""
        return all(map(_are_same, self.kept[-len(columns) :], columns))

    def run(
        self, scale: float = 0.0, changed: Mapping[int, Sequence[Tensor]] | None = None
    ) -> None:
        """Run the loop; `changed` has the tensors of the columns that are not those of before."""
        for column, tensors in (changed or {}).items():
            self._table[:, HEAD + column] = [tensor.data_ptr() for tensor in tensors]
        args = self._table, KINDS[self.kind], arithmetic_type(self.kind)(scale)
        if self._cost < 2 * WORTHWHILE:  # one thread: no work to share out
            self._loop(*args, 0, self._cost)
        else:
            run([Work(self._loop, args, self._cost, self._cost)])


def _are_same(held: Sequence[Tensor], given: Sequence[Tensor]) -> bool:
    return len(held) == len(given) and all(map(is_, held, given))


def sums_of_blocks(parameters: Sequence[Tensor]) -> Tensor:
    """Zeros, shape (parameters, largest number of blocks): where the loop `pulls` puts its sums."""
    loops = _loops()
    assert loops is not None
    longest = max(parameter.numel() for parameter in parameters)
    return torch.zeros(len(parameters), -(-longest // loops.BLOCK), dtype=torch.float64)


@cache
def _loops() -> ModuleType | None:
    try:
        return import_module("nanocl.strategies._penalty_loops")
    except ImportError:  # numba is missing
        return None
