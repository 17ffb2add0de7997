"""The columns of the cost: each is a field of `nanocl.records.Cost`."""

from __future__ import annotations

from nanocl.records import Cost
from nanocl.reporting.columns import Column, Undefined


def _cost(field: str, title: str, definition: str, unit: str, optional: bool = False) -> Column:
    """A column that shows a field of the cost."""

    def read(cost: Cost) -> float:
        if optional and not getattr(cost, field):
            raise Undefined(f"{definition} was not measured")
        return getattr(cost, field)

    return Column(field, title, "cost", unit, definition, (), read, optional)


train_seconds = _cost(
    "train_seconds",
    "train s",
    "wall-clock seconds of training, evaluation excluded",
    "seconds",
)
cpu_seconds = _cost(
    "cpu_seconds",
    "CPU s",
    "CPU seconds of training, evaluation excluded; unlike wall-clock seconds they depend little on "
    "what else the machine does",
    "seconds",
    optional=True,
)
seconds_per_step = _cost(
    "seconds_per_step",
    "ms / step",
    "train seconds per optimizer step",
    "milliseconds",
)
samples_per_second = _cost(
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
)
device_memory = _cost(
    "device_memory_bytes",
    "device MiB",
    "highest allocated device memory",
    "bytes",
    optional=True,
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
    "runs that shared the machine; seconds compare only at equal numbers",
    "count",
)
