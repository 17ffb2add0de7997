"""What to run: every value that decides the numbers of one run, and the digest over them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

SCENARIOS = ("class", "task", "domain")
TIERS = ("smoke", "cpu", "paper")
OWN_STREAM = "tensors"  # the stream family of data that was given in Python

# fields of Training that records of earlier versions do not have
LATER = (
    "schedule",
    "schedule_at",
    "norm_statistics",
    "precision",
    "compile",
    "experiences",
    "until",
)

Option = bool | int | float | str | None


def hash_of(value: Any, length: int = 12) -> str:
    """The first `length` hex digits of SHA-256 over the sorted JSON of a plain value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


@dataclass(frozen=True)
class Part:
    """One plugin of a run and its options, every default filled in.

    Attributes:
        name: The plugin's name on the command line.
        options: Option name to plain value.
        version: Version of the plugin's algorithm; a changed formula has a higher one.
        plugin: Hash of the plugin file, empty for a plugin that is installed.
        weights: Hash of the file of weights that a model starts from, else empty.
        pretrained_on: Fingerprint of the data that a model is pretrained on first, else empty.
    """

    name: str
    options: Mapping[str, Option] = field(default_factory=dict)
    version: int = 1
    plugin: str = ""
    weights: str = ""
    pretrained_on: str = ""

    def identity(self) -> dict[str, Any]:
        """What the digest covers: `version` only above 1, the three hashes joined as `source`."""
        hashes = filter(None, (self.plugin, self.weights, self.pretrained_on))
        values = {
            "name": self.name,
            "options": self.options,
            "source": "+".join(hashes),
        }
        if self.version == 1:
            return values
        return {**values, "version": self.version}


@dataclass(frozen=True)
class Training:
    """How every learner of a protocol is trained and tested.

    Attributes:
        epochs: Passes over an experience's data; ignored when `iterations` is not 0.
        iterations: Mini-batches per experience, reshuffling the data whenever it is used up; 0
            means use `epochs`.
        batch_size: Samples per mini-batch in training.
        evaluation_batch_size: Samples per mini-batch in evaluation.
        head: Output layer. `auto` chooses by scenario: `seen` (class), `own` (task), `shared`
            (domain). `seen`: one layer, classes not met yet are masked out. `all`: one layer, all
            classes compete from the start. `masked`: one layer, masked to the classes of the
            sample's task label. `own`: a layer per task label. `shared`: one layer, the same
            classes in each experience.
        optimizer_state: At an experience boundary, `keep` or `reset` the optimizer's state, or
            `reset-step`: keep the moments and restart their bias correction.
        threads: torch threads of one run; they change the order of floating-point sums.
        measured_on: `test`, or `validation` for tuning (needs a stream option such as
            `validation=0.1`).
        schedule: Factor on each learning rate over time. `constant`: 1. `cosine`: (1 + cos(pi t)) /
            2 at the share t of time that has passed. `step`: 1, from t = 1/2 on 0.1, from 3/4 on
            0.01.
        schedule_at: Whether t goes from 0 to 1 in each `experience`, or once over the `stream`, of
            which each trained experience is an equal part.
        norm_statistics: Running statistics of normalisation layers. `update`: they follow the
            training data. `freeze`: they never change, and training uses them too. `restore`: each
            task is tested with its statistics at the end of its training (task-incremental only).
            The stream `finetune` has an option of that name too, which holds where this is
            `update`.
        precision: Type in which passes compute, in training and in tests. `fp32`: that of the
            weights. `tf32`: convolutions and products of matrices on a GPU in TF32. `bf16`: torch's
            autocast; weights, loss, optimizer and the Fisher of EWC stay in float32.
        compile: Whether `torch.compile` makes the passes of the backbone. It rounds differently.
        experiences: Experiences trained and tested, from the first; 0 for all. For tuning on the
            first ones only.
        until: When an experience ends. `end`: after its epochs or iterations. `mastered`: as soon
            as it is mastered, at the latest after those (see `nanocl.training.mastery`).
    """

    epochs: int = 1
    iterations: int = 0
    batch_size: int = 32
    evaluation_batch_size: int = 512
    head: str = "auto"
    optimizer_state: str = "keep"
    threads: int = 1
    measured_on: str = "test"
    schedule: str = "constant"
    schedule_at: str = "experience"
    norm_statistics: str = "update"
    precision: str = "fp32"
    compile: bool = False
    experiences: int = 0
    until: str = "end"

    def identity(self) -> dict[str, Any]:
        """What digest and record hold: a field of `LATER` only if it is not the default."""
        return {
            name: value
            for name, value in vars(self).items()
            if name not in LATER or value != getattr(Training, name)
        }


@dataclass(frozen=True)
class RunSpec:
    """Everything that decides the numbers of one run: equal specs are the same run on any machine.

    Attributes:
        protocol: Name of the protocol, such as `split-mnist`; the value of `--stream`.
        tier: `smoke`, `cpu` or `paper`.
        scenario: `class`, `task` or `domain` incremental (van de Ven and Tolias, 2019,
            arXiv:1904.07734).
        stream: The stream family and its options.
        model: The backbone and its options.
        strategy: The composed strategies, in the order given.
        training: Epochs, mini-batches, head.
        seed: Decides class order, data order and initialisation; shared by all strategies.
        data: Fingerprint of the data sets, empty for synthetic streams.
        options_from: Where the strategy's options come from: `default`, `tuned`, `published`,
            `protocol`, `sweep` or `set`. Not in the digest.
    """

    protocol: str
    tier: str
    scenario: str
    stream: Part
    model: Part
    strategy: tuple[Part, ...]
    training: Training
    seed: int
    data: str = ""
    options_from: str = "default"

    @property
    def strategy_name(self) -> str:
        """The composition as people write it, such as `ewc+nanoadam`."""
        return "+".join(part.name for part in self.strategy)

    @property
    def has_own_data(self) -> bool:
        """Whether its experiences were given in Python: nobody else has them."""
        return self.stream.name == OWN_STREAM and not self.stream.plugin

    @cached_property
    def digest(self) -> str:
        """Hash of every field but `options_from`, 12 hex digits.

        The keys are those of the first version of the format, in which `protocol` was called
        `benchmark`, so that digests of all records stay as they were published.
        """
        strategy = [part.identity() for part in self.strategy]
        return hash_of(
            {
                **self.shared_identity(),
                "strategy": strategy,
                "seed": self.seed,
            }
        )

    @cached_property
    def protocol_hash(self) -> str:
        """Hash of what the rows of one table share, 8 hex digits."""
        return hash_of(self.shared_identity(), 8)

    def shared_identity(self) -> dict[str, Any]:
        """What rows of one table share: everything but strategy, seed and `options_from`."""
        return {
            "benchmark": self.protocol,
            "tier": self.tier,
            "scenario": self.scenario,
            "stream": self.stream.identity(),
            "model": self.model.identity(),
            "training": self.training.identity(),
            "data": self.data,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RunSpec:
        """Inverse of `dataclasses.asdict`, as read from a record."""
        strategy = tuple(Part(**part) for part in values["strategy"])
        return cls(
            **{
                **values,
                "stream": Part(**values["stream"]),
                "model": Part(**values["model"]),
                "strategy": strategy,
                "training": Training(**values["training"]),
            }
        )
