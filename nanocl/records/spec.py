"""What to run: every value that decides the numbers of one run, and the digest over them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

SCENARIOS = ("class", "task", "domain")
TIERS = ("smoke", "cpu", "paper")

Option = bool | int | float | str | None


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
        source: For a plugin loaded from a file of the user's, a hash of that file: an edited file
            is another plugin.
    """

    name: str
    options: Mapping[str, Option] = field(default_factory=dict)
    source: str = ""


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
        optimizer_state: `keep` or `reset` the optimizer's state at an experience boundary.
        threads: torch threads of one run; they change the order of floating-point sums.
        measured_on: `test`, or `validation` for tuning (needs a stream option such as
            `validation=0.1`).
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
        scenario: `class`, `task` or `domain` incremental (van de Ven and Tolias, 2019,
            arXiv:1904.07734).
        stream: The stream family and its options.
        model: The backbone and its options.
        strategy: The composed strategies, in the order given.
        training: Epochs, mini-batches, head.
        seed: Decides class order, data order and initialisation; shared by all strategies.
        data: Fingerprint of the data sets, empty for synthetic streams.
        recipe: Where the strategy's options come from: `default`, `tuned`, `published` or `set`.
            Not in the digest.
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
        return cls(
            **{
                **values,
                "stream": Part(**values["stream"]),
                "model": Part(**values["model"]),
                "strategy": tuple(Part(**part) for part in values["strategy"]),
                "training": Training(**values["training"]),
            }
        )

    def with_data(self, fingerprint: str) -> RunSpec:
        """The same run on the data set with this fingerprint."""
        return replace(self, data=fingerprint)


def _without(values: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}
