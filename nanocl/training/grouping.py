"""Which runs are trained as one model. Importing this loads no torch.

`--vectorize auto` groups seeds where it is faster (measured on an MLP with 784 inputs, mini-batches
of 32, 1 thread; see `benchmarks/perf/throughput.py`): on a GPU from 2 seeds on; on a CPU from 5
seeds on if the network has at most 100,000 weights before its output layer. `on` groups from 2
seeds on. No group is formed that would leave a worker without a task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from nanocl.records import RunSpec

MOST = 16  # seeds in a group: their weights and moments share the caches and the memory
FEWEST_ON_CPU = 5  # with fewer, stacking takes as long as it saves
WEIGHTS_ON_CPU = 100_000  # above, the moments of all seeds no longer fit in the caches


def learner_of(spec: RunSpec) -> str:
    """The key of a learner in `obstacles`."""
    return repr(spec.strategy)


def fewest(mode: str, device: str) -> int:
    """How many seeds a group has at least, for runs on `cpu` or `cuda`."""
    return FEWEST_ON_CPU if mode == "auto" and device == "cpu" else 2


def tasks(
    specs: Sequence[RunSpec], *, obstacles: Mapping[str, str], workers: int, fewest: int
) -> list[tuple[RunSpec, ...]]:
    """The specs in tasks for one worker each: groups of seeds of one learner, and single runs.

    Args:
        specs: What to run.
        obstacles: By `learner_of` why its seeds are trained alone; empty if they need not be.
        workers: Groups are so small that there are at least as many tasks, if there are as many
            specs.
        fewest: Seeds that a group has at least.
    """
    seeds: dict[str, list[RunSpec]] = {}
    for spec in specs:
        seeds.setdefault(replace(spec, seed=0).digest, []).append(spec)
    size = min(MOST, max(1, len(specs) // workers))
    made: list[tuple[RunSpec, ...]] = []
    for runs in seeds.values():
        parts = _parts(runs, size)
        if obstacles.get(learner_of(runs[0]), "unknown") or len(parts[-1]) < fewest:
            parts = [(run,) for run in runs]
        made += parts
    return made


def _parts(runs: Sequence[RunSpec], size: int) -> list[tuple[RunSpec, ...]]:
    """Parts of at most that size, the last one smallest and none smaller by more than one."""
    count = -(-len(runs) // size)
    return [tuple(runs[number::count]) for number in range(count)]
