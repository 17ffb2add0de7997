"""The columns of the cost, from the fields of `nanocl.records.Cost`."""

from __future__ import annotations

from nanocl.records import Cost
from nanocl.reporting.columns import Column, Undefined, metric


def _check_alone(cost: Cost) -> None:
    """Refuse the share of a seed that was trained together with others.

    It says how well they share the machine. Beside a strategy that is trained seed by seed, it
    would look like the cost of the method.
    """
    if cost.together:
        raise Undefined(
            "time and memory of the process are shown of seeds that were trained one by one "
            "(--vectorize off)"
        )


def _cost(
    field: str,
    title: str,
    definition: str,
    unit: str,
    optional: bool = False,
    of_process: bool = False,
) -> Column:
    """A column that shows a field of the cost; `of_process` if other seeds in it would count."""

    def read(cost: Cost) -> float:
        if of_process:
            _check_alone(cost)
        if optional and not getattr(cost, field):
            raise Undefined(f"{definition} was not measured")
        return getattr(cost, field)

    return Column(field, title, "cost", unit, definition, (), read, optional)


def _wall(field: str, title: str, definition: str, unit: str) -> Column:
    """A column of wall-clock time, which tells of the learner only in a run that was alone."""

    def read(cost: Cost) -> float:
        _check_alone(cost)
        if cost.workers > 1:
            raise Undefined(
                "wall-clock times are shown of runs that shared the machine with no other run "
                "(--workers 1)"
            )
        return getattr(cost, field)

    return Column(field, title, "cost", unit, definition, (), read, optional=True)


cpu_seconds = _cost(
    "cpu_seconds",
    "CPU s",
    "CPU seconds of training, evaluation excluded; unlike wall-clock seconds they depend little on "
    "what else the machine does",
    "seconds",
    optional=True,
    of_process=True,
)


@metric(
    "CPU ms / step",
    "CPU seconds of training per optimizer step",
    kind="cost",
    unit="milliseconds",
    optional=True,
)
def cpu_seconds_per_step(cost: Cost) -> float:
    """What a step takes of the processor, its data and its strategies included."""
    _check_alone(cost)
    if not (cost.cpu_seconds and cost.steps):
        raise Undefined("CPU seconds of training were not measured")
    return cost.cpu_seconds / cost.steps


def cpu_seconds_per_thousand_samples(cost: Cost, batch_size: int) -> float:
    """CPU seconds of training per 1000 samples of the stream, of a run that was alone.

    Replayed samples are not counted, so a learner that replays costs more.
    """
    if cost.workers > 1:
        raise Undefined("CPU seconds are shown of runs that shared the machine with no other run")
    return 1000 * cpu_seconds_per_step(cost) / batch_size


train_seconds = _wall(
    "train_seconds",
    "train s",
    "wall-clock seconds of training, evaluation excluded",
    "seconds",
)
seconds_per_step = _wall(
    "seconds_per_step",
    "ms / step",
    "train seconds per optimizer step",
    "milliseconds",
)
samples_per_second = _wall(
    "samples_per_second",
    "samples / s",
    "training samples per second of training",
    "count",
)
peak_memory = _cost(
    "peak_memory_bytes",
    "peak MiB",
    "highest resident set size of the process",
    "bytes",
    of_process=True,
)
device_memory = _cost(
    "device_memory_bytes",
    "device MiB",
    "highest allocated device memory",
    "bytes",
    optional=True,
    of_process=True,
)
optimizer_state = _cost(
    "optimizer_state_bytes",
    "optimizer MiB",
    "bytes of all tensors in optimizer.state",
    "bytes",
)
state_per_parameter = _cost(
    "state_bytes_per_parameter",
    "bytes / weight",
    "optimizer-state bytes per trainable weight",
    "count",
)
strategy_state = _cost(
    "strategy_state_bytes",
    "strategy MiB",
    "tensors of the strategies: Fisher, anchors, memory",
    "bytes",
)
workers = _cost(
    "workers",
    "workers",
    "runs that shared the machine",
    "count",
)
