"""The plain values that travel between the rooms: what to run, and what a run measured.

All frozen and made of strings, numbers, tuples and dictionaries, to cross processes, become JSON,
compare by value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nanocl.records.spec import (
    OWN_STREAM,
    SCENARIOS,
    TIERS,
    Option,
    Part,
    RunSpec,
    Training,
    hash_of,
)

__all__ = [
    "OWN_STREAM",
    "SCENARIOS",
    "SCHEMA",
    "TIERS",
    "Cells",
    "Cost",
    "Drift",
    "Environment",
    "Matrix",
    "Notice",
    "Option",
    "Part",
    "Progress",
    "Row",
    "RunFailure",
    "RunResult",
    "RunSpec",
    "SavedFile",
    "Summary",
    "Training",
    "UserError",
    "hash_of",
]

SCHEMA = "nanocl-result/2"
# fields that came later, and what older records stand for: left out then, so those keep their bytes
LATER_FIELDS: Mapping[str, Any] = {
    "experiences": [],
    "weights": "",
    "cpu_seconds": 0.0,
    "together": 0,
    "resumed": 0,
    "evaluate": "all",
    "tracking": {},
    "mastery": [],
    "function": [],
    "validation": [],
}
Row = tuple[float, ...]
Matrix = tuple[Row, ...]
Cells = tuple[float | None, ...]


class UserError(ValueError):
    """A mistake of the caller, explained in one sentence; commands print it and exit with 2."""


@dataclass(frozen=True)
class Cost:
    """What a run took. Seconds from runs that shared a machine compare only at equal `workers`.

    Attributes:
        train_seconds: Wall-clock seconds inside training, without evaluation.
        steps, seconds_per_step: Optimizer steps, and `train_seconds / steps`.
        samples_per_second: Training samples handed to the learner (replayed ones too) per second of
            training.
        peak_memory_bytes: Highest resident set size of the worker process during the run.
        device_memory_bytes: Highest allocated device memory, 0 on CPU.
        optimizer_state_bytes: Exact bytes of all tensors in `optimizer.state` after the last step.
        parameters, state_bytes_per_parameter: Trainable parameters, and `optimizer_state_bytes /
            parameters`.
        strategy_state_bytes: Tensors held by the strategy plugins (Fisher, anchors, replay memory).
        workers: Runs that shared the machine.
        cpu_seconds: CPU time of the process inside training, all threads together, without
            evaluation; unlike wall-clock time it depends little on what else the machine does. 0
            in records of earlier versions.
        together: Seeds that were trained as one model with this one, itself included; 0 for none.
            Seconds are then this seed's share, and the memory of the process is that of all.
        resumed: Times that the run was interrupted and went on from a checkpoint; seconds and steps
            are those of all parts together. 0 in records of earlier versions.
    """

    train_seconds: float
    steps: int
    seconds_per_step: float
    samples_per_second: float
    peak_memory_bytes: int
    device_memory_bytes: int
    optimizer_state_bytes: int
    parameters: int
    state_bytes_per_parameter: float
    strategy_state_bytes: int
    workers: int
    cpu_seconds: float = 0.0
    together: int = 0
    resumed: int = 0


@dataclass(frozen=True)
class Drift:
    """How far the parameters moved by the end of one experience.

    `start` compares with the model before the first experience, `previous` with the end of the
    experience before. Each maps a group (`backbone`, `head`, `all`, `buffers`) to its columns (see
    `nanocl.training.drift`), None if undefined.

    Attributes:
        deciles: Mean absolute change in each tenth of |start|, smallest magnitudes first, backbone
            only (10 values).
        average_tensor: Mean over the backbone's tensors of the tensor's L2 drift from the start.
        layers: Parameter name to (L2, relative) drift from the start.
    """

    start: Mapping[str, Mapping[str, float | None]]
    previous: Mapping[str, Mapping[str, float | None]]
    deciles: Row
    average_tensor: float | None
    layers: Mapping[str, tuple[float, float | None]]


@dataclass(frozen=True)
class Environment:
    """Versions and machine facts that explain a difference between two runs of one spec.

    Attributes:
        libraries: Optional libraries that the process had loaded (of optimizers and models) with
            their versions.
    """

    nanocl: str
    python: str
    torch: str
    avalanche: str
    numpy: str
    platform: str
    processor: str
    device: str
    threads: int
    libraries: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RunResult:
    """One record: the measurements of one run, from which every table is computed.

    Attributes:
        spec: What was run.
        status: `ok`, or `diverged` when the loss became not finite (later rows of the matrix are
            then missing).
        measure: `accuracy` (fractions in [0, 1]) or `loss` (regression, lower is better).
        initial: The untrained model on each of the T experiences.
        evaluation: T rows; row i is after training on experience i, column j is tested on
            experience j, None where it was not tested then.
        masked: For class-incremental runs, `initial` and `evaluation` with the prediction limited
            to each experience's own classes (task-incremental); else None. With the head `seen`,
            entries j > i mean nothing.
        drift: One entry per trained experience.
        cost: What it took.
        data: Facts of the data sets: name, fingerprint, `official` or `other`, sizes.
        environment: Where it ran.
        experiences: Of each experience `classes` (labels in the data set, in the order of their
            targets), `train` and `test` (numbers of samples); empty in records of earlier versions.
        weights: Where the model was pretrained here, the first 12 hex digits of the SHA-256 of the
            file of weights that it started from; else empty, as in records of earlier versions.
        evaluate: Which experiences were tested, see `nanocl.records.measuring.Measuring`.
        tracking: `every` and `points` of the tests within experiences (see
            `nanocl.training.tracking.Tracker`); empty where none were made.
        mastery: With `training.until=mastered`, of each trained experience `steps` (mini-batches
            trained) and `mastered`; else empty.
        function: Of each trained experience, `representation` (1 - linear CKA of the features of
            earlier experiences) and `kl` (nats, of its outputs from before it to after), None where
            undefined; see `nanocl.training.function_drift`. Empty in records of earlier versions.
        validation: As `evaluation`, on the training data that the stream holds out; None where an
            experience was not tested then, empty where nothing is held out.
    """

    spec: RunSpec
    status: str
    measure: str
    initial: Row
    evaluation: tuple[Cells, ...]
    masked: Mapping[str, Any] | None
    drift: tuple[Drift, ...]
    cost: Cost
    data: tuple[Mapping[str, Any], ...]
    environment: Environment
    experiences: tuple[Mapping[str, Any], ...] = ()
    weights: str = ""
    evaluate: str = "all"
    tracking: Mapping[str, Any] = field(default_factory=dict)
    mastery: tuple[Mapping[str, Any], ...] = ()
    function: tuple[Mapping[str, Any], ...] = ()
    validation: tuple[Cells, ...] = ()


@dataclass(frozen=True)
class RunFailure:
    """A run that ended in an error: printed and counted, never stored, tried again next time."""

    spec: RunSpec
    error: str
    details: str = ""


@dataclass(frozen=True)
class Progress:
    """Progress of a run, sent by its worker: 1-based experience and epoch, share of all steps."""

    digest: str
    experience: int
    experiences: int
    epoch: int
    epochs: int
    fraction: float
    samples_per_second: float


@dataclass(frozen=True)
class Notice:
    """What the caller should know of a run that goes on, sent by its worker."""

    digest: str
    text: str


@dataclass(frozen=True)
class SavedFile:
    """A file of a run on another machine, such as its checkpoint.

    Attributes:
        digest: Of the run.
        path: Where it belongs, relative to the results folder, with `/`.
        content: All of it.
    """

    digest: str
    path: str
    content: bytes


@dataclass(frozen=True)
class Summary:
    """One row of a table: a strategy under one protocol, over its seeds.

    Attributes:
        strategy: The composition as people write it.
        options: Its options that differ from the defaults, as text for a reader.
        options_from: As in `RunSpec`; several joined by `/`.
        protocol_hash: Shared by all rows of a table.
        seeds: Seeds with status `ok`, ascending.
        diverged: Seeds that diverged.
        columns: Column name to the value of each seed in `seeds` order; None where a metric is
            undefined.
        results: The records behind the row.
    """

    strategy: str
    options: str
    options_from: str
    protocol_hash: str
    seeds: tuple[int, ...]
    diverged: tuple[int, ...]
    columns: Mapping[str, tuple[float | None, ...]]
    results: tuple[RunResult, ...]
