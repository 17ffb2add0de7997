"""The plain values that travel between the rooms: what to run, and what a run measured.

All frozen and made of strings, numbers, tuples and dictionaries, to cross processes, become JSON, compare by value.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

SCHEMA = "nanocl-result/1"
SCENARIOS = ("class", "task", "domain")
TIERS = ("smoke", "cpu", "paper")

Option = bool | int | float | str | None
Row = tuple[float, ...]
Matrix = tuple[Row, ...]


class UserError(ValueError):
    """A mistake of the caller that one sentence explains; doors print it without a traceback and exit with 2."""


def hash_of(value: Any, length: int = 12) -> str:
    """The first `length` hex digits of SHA-256 over the sorted JSON of a plain value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


@dataclass(frozen=True)
class Part:
    """One plugin of a run and its options, every default filled in.

    Attributes:
        name: The plugin's name as the registry knows it.
        options: Option name to plain value.
        source: For a plugin loaded from a file of the user's, a hash of that file: an edited file is another plugin.
    """

    name: str
    options: Mapping[str, Option] = field(default_factory=dict)
    source: str = ""


@dataclass(frozen=True)
class Training:
    """How every learner of a protocol is trained and tested.

    Attributes:
        epochs: Passes over an experience's data; ignored when `iterations` is not 0.
        iterations: Mini-batches per experience, reshuffling the data whenever it is used up; 0 means use `epochs`.
        batch_size: Samples per mini-batch in training.
        evaluation_batch_size: Samples per mini-batch in evaluation.
        head: Output layer. `auto` chooses by scenario: `seen` (class), `own` (task), `shared` (domain).
            `seen`: one layer, classes not met yet are masked out. `all`: one layer, all classes compete from the start.
            `masked`: one layer, masked to the classes of the sample's task label. `own`: a layer per task label.
            `shared`: one layer, the same classes in each experience.
        optimizer_state: `keep` or `reset` the optimizer's state at an experience boundary.
        threads: torch threads of one run; they change the order of floating-point sums.
        measured_on: `test`, or `validation` for tuning (needs a stream option such as `validation=0.1`).
    """

    epochs: int = 1
    iterations: int = 0
    batch_size: int = 32
    evaluation_batch_size: int = 512
    head: str = "auto"
    optimizer_state: str = "keep"
    threads: int = 1
    measured_on: str = "test"


@dataclass(frozen=True)
class RunSpec:
    """Everything that decides the numbers of one run: equal specs are the same run on any machine.

    Attributes:
        benchmark: Name of the protocol, e.g. `split-mnist`; what people pass to `--stream`.
        tier: `smoke`, `cpu` or `paper`.
        scenario: `class`, `task` or `domain` incremental (van de Ven and Tolias, 2019, arXiv:1904.07734).
        stream: The stream family and its options.
        model: The backbone and its options.
        strategy: The composed strategies, in the order given.
        training: Epochs, mini-batches, head.
        seed: Decides class order, data order and initialisation; shared by all strategies.
        data: Fingerprint of the data sets, empty for synthetic streams.
        recipe: Where the strategy's options come from: `default`, `tuned`, `published` or `set`. Not in the digest.
    """

    benchmark: str
    tier: str
    scenario: str
    stream: Part
    model: Part
    strategy: tuple[Part, ...]
    training: Training
    seed: int
    data: str = ""
    recipe: str = "default"

    @property
    def strategy_name(self) -> str:
        """`ewc+nanoadam`: the composition as people write it."""
        return "+".join(part.name for part in self.strategy)

    @property
    def digest(self) -> str:
        """Hash of the sorted JSON of every field but `recipe`, 12 hex digits."""
        return hash_of(_without(asdict(self), "recipe"))

    def protocol(self) -> dict[str, Any]:
        """What rows must share to stand in one table: everything but strategy, seed and recipe."""
        return _without(asdict(self), "strategy", "seed", "recipe")

    @property
    def protocol_hash(self) -> str:
        """Hash of `protocol()`, 8 hex digits."""
        return hash_of(self.protocol(), 8)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RunSpec:
        """Inverse of `dataclasses.asdict`, as read from a record."""
        return cls(**{
            **values,
            "stream": Part(**values["stream"]),
            "model": Part(**values["model"]),
            "strategy": tuple(Part(**part) for part in values["strategy"]),
            "training": Training(**values["training"]),
        })

    def with_data(self, fingerprint: str) -> RunSpec:
        """The same run on the data set with this fingerprint."""
        return replace(self, data=fingerprint)


@dataclass(frozen=True)
class Cost:
    """What a run took. Seconds from runs that shared a machine compare only at equal `workers`.

    Attributes:
        train_seconds: Wall-clock seconds inside training, without evaluation.
        steps, seconds_per_step: Optimizer steps, and `train_seconds / steps`.
        samples_per_second: Training samples handed to the learner (replayed ones too) per second of training.
        peak_memory_bytes: Highest resident set size of the worker process during the run.
        device_memory_bytes: Highest allocated device memory, 0 on CPU.
        optimizer_state_bytes: Exact bytes of all tensors in `optimizer.state` after the last step.
        parameters, state_bytes_per_parameter: Trainable parameters, and `optimizer_state_bytes / parameters`.
        strategy_state_bytes: Tensors held by the strategy plugins (Fisher, anchors, replay memory).
        workers: Runs that shared the machine.
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


@dataclass(frozen=True)
class Drift:
    """How far the parameters moved by the end of one experience.

    `start` compares with the model before the first experience, `previous` with the end of the experience before.
    Each maps a group (`backbone`, `head`, `all`, `buffers`) to its columns (see `nanocl.drift`), None if undefined.

    Attributes:
        deciles: Mean absolute change in each tenth of |start|, smallest magnitudes first, backbone only (10 values).
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
    """Versions and machine facts that explain a difference between two runs of one spec."""

    nanocl: str
    python: str
    torch: str
    avalanche: str
    numpy: str
    platform: str
    processor: str
    device: str
    threads: int


@dataclass(frozen=True)
class RunResult:
    """One record: the measurements of one run, from which every table is computed.

    Attributes:
        spec: What was run.
        status: `ok`, or `diverged` when the loss became not finite (later rows of the matrix are then missing).
        measure: `accuracy` (fractions in [0, 1]) or `loss` (regression, lower is better).
        initial: The untrained model on each of the T experiences.
        evaluation: T rows; row i is after training on experience i, column j is tested on experience j.
        masked: For class-incremental runs, `initial` and `evaluation` with the prediction limited to each
            experience's own classes (task-incremental); else None. With the head `seen`, entries j > i mean nothing.
        drift: One entry per trained experience.
        cost: What it took.
        data: Facts of the data sets: name, fingerprint, `official` or `other`, sizes.
        environment: Where it ran.
    """

    spec: RunSpec
    status: str
    measure: str
    initial: Row
    evaluation: Matrix
    masked: Mapping[str, Any] | None
    drift: tuple[Drift, ...]
    cost: Cost
    data: tuple[Mapping[str, Any], ...]
    environment: Environment


@dataclass(frozen=True)
class RunFailure:
    """A run that ended in an error: printed and counted, never stored, tried again next time."""

    spec: RunSpec
    error: str
    details: str = ""


@dataclass(frozen=True)
class Progress:
    """Where one run is, sent by a worker while it trains: 1-based experience and epoch, share of all steps done."""

    digest: str
    experience: int
    experiences: int
    epoch: int
    epochs: int
    fraction: float
    samples_per_second: float


@dataclass(frozen=True)
class Summary:
    """One row of a table: a strategy under one protocol, over its seeds.

    Attributes:
        strategy: The composition as people write it.
        options: Its options that differ from the defaults, as text for a reader.
        recipe: `default`, `tuned`, `published` or `set`.
        protocol: Hash that all rows of a table share.
        seeds: Seeds with status `ok`, ascending.
        diverged: Seeds that diverged.
        columns: Column name to the value of each seed in `seeds` order; None where a metric is undefined.
        results: The records behind the row.
    """
    strategy: str
    options: str
    recipe: str
    protocol: str
    seeds: tuple[int, ...]
    diverged: tuple[int, ...]
    columns: Mapping[str, tuple[float | None, ...]]
    results: tuple[RunResult, ...]


def _without(values: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}
