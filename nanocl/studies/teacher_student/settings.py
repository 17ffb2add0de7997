"""The runs of the study: settings of the finetuning experiment, conditions of the theorem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, TypeVar

from nanocl.plugins.catalogue import INSTALLED
from nanocl.protocols import suite
from nanocl.records import TIERS, UserError, hash_of
from nanocl.records.ranges import did_you_mean, one_of

NAME = "teacher-student"
FIRST_SCHEMA = "nanocl-study/1"  # in the digests, which stay the same in later formats
ARMS = ("gd", "adam", "nano", "nano-neuron", "theorem", "gradient", "random", "large")


@dataclass(frozen=True)
class Setting:
    """Pretraining on teacher A and finetuning on teacher B.

    The defaults are those of the paper, as far as it gives them.

    Attributes:
        dimension, teacher, samples, test_samples, extra, angle: As in
            `nanocl.streams.teacher_student`.
        hidden, init_scale: As in `nanocl.models.student`; the initial deviation is `init_scale /
            sqrt(hidden)`.
        pretrain_lr, pretrain_steps: Full-batch gradient descent on teacher A.
        lr, steps: Full-batch gradient descent on teacher B.
        adam_lr: Adam's learning rate on teacher B.
        share: Share of the entries of each layer (of the neurons, for whole neurons) that a masked
            arm trains.
        interval: Updates from one selection to the next; 0 selects once.
        optimizer: `gd` or `adam`, for the masked arms.
        heads: `shared`: teacher B is learned with the output weights of teacher A. `own`: with new
            output weights, which every arm trains without a mask; those of teacher A are kept.
        seeds: Each has its own student, pair of teachers and set of inputs.

    Source: Zhou et al., 2025, arXiv:2506.21374, section 2. Their learning rates, 2 and 1, diverge
        on the mean squared error; samples, mask share and interval are not published.
    """

    dimension: int = 2
    teacher: int = 2
    samples: int = 500
    test_samples: int = 4000
    extra: int = 1
    angle: float | None = None
    hidden: int = 20
    init_scale: float = 1.0
    pretrain_lr: float = 0.25
    pretrain_steps: int = 10000
    lr: float = 0.125
    adam_lr: float = 3e-3
    steps: int = 10000
    share: float = 0.1
    interval: int = 1
    optimizer: str = "gd"
    heads: str = "shared"
    seeds: tuple[int, ...] = tuple(range(20))

    def __post_init__(self) -> None:
        _check(
            self,
            share=(0, 1),
            interval=(0, None),
            optimizer=("gd", "adam"),
            heads=("shared", "own"),
            extra=(0, None),
            steps=(1, None),
            pretrain_steps=(1, None),
        )

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms; `theorem` only with a new neuron and the old output weights."""
        if self.extra and self.heads == "shared":
            return ARMS
        return tuple(arm for arm in ARMS if arm != "theorem")

    @property
    def digest(self) -> str:
        """Hash of every field, 12 hex digits."""
        return hash_of({"schema": FIRST_SCHEMA, "setting": asdict(self)})

    @property
    def words(self) -> str:
        """A description for readers."""
        return label(asdict(self))


@dataclass(frozen=True)
class Condition:
    """Theorem 2.2 with one new neuron, on pretrained networks or on networks built for it.

    Attributes:
        dimension, teacher, samples: As in `Setting`.
        init_scale: As in `Setting`, for pretrained networks; None builds networks that meet the
            assumptions exactly.
        hidden, pretrain_lr, pretrain_steps: As in `Setting`, for pretrained networks.
        epsilons: The values of epsilon for which networks are built.
        time_step, time: Euler step and end of the gradient flow of v on half the mean squared
            error.
        seeds: Each has its own network, pair of teachers and set of inputs.
    """

    dimension: int = 2
    teacher: int = 2
    samples: int = 500
    init_scale: float | None = None
    hidden: int = 20
    pretrain_lr: float = 0.25
    pretrain_steps: int = 10000
    epsilons: tuple[float, ...] = (0.1, 0.03, 0.01, 0.003, 0.001, 0.0003)
    time_step: float = 0.1
    time: float = 2000.0
    seeds: tuple[int, ...] = tuple(range(20))

    @property
    def digest(self) -> str:
        """Hash of every field, 12 hex digits."""
        return hash_of({"schema": FIRST_SCHEMA, "condition": asdict(self)})

    @property
    def words(self) -> str:
        """A description for readers."""
        return f"theorem, {condition_label(asdict(self))}"


Spec = Setting | Condition
Kind = TypeVar("Kind", Setting, Condition)


def plan(tier: str = "cpu", seeds: Sequence[int] = ()) -> tuple[list[Setting], list[Condition]]:
    """The settings and conditions in the tables `study` of `benchmarks/teacher-student.toml`.

    Args:
        tier: `smoke`, `cpu` or `paper`.
        seeds: Replace the seeds of the protocol.

    Raises:
        UserError: An unknown tier or key, or a value out of its range.
    """
    one_of("tier", tier, TIERS, UserError)
    protocol = suite.find(NAME, INSTALLED)[1]
    study = {**protocol["study"], **protocol["tier"][tier].get("study", {})}
    chosen = tuple(seeds) or tuple(range(study["seeds"]))
    settings = [
        replace(_make(Setting, {**study.get("base", {}), **values}), seeds=chosen)
        for values in study["settings"]
    ]
    conditions = [replace(_make(Condition, values), seeds=chosen) for values in study["conditions"]]
    return list(dict.fromkeys(settings)), list(dict.fromkeys(conditions))


def label(values: Mapping[str, Any]) -> str:
    """How a setting differs from the paper's, such as `extra neurons 2, mask share 20 %`."""
    usual = vars(Setting())
    differences = []
    for name, value in values.items():
        if name in usual and usual[name] != value and name in _WORDS:
            differences.append(_WORDS[name](value, values))
    return ", ".join(differences) or "the paper's setting"


def condition_label(values: Mapping[str, Any]) -> str:
    """The networks: `built, dimension 2` or `pretrained from deviation 0.1, dimension 20`."""
    scale = values["init_scale"]
    kind = "built" if scale is None else f"pretrained from deviation {_deviation(scale, values)}"
    return f"{kind}, dimension {values['dimension']}"


def _deviation(scale: float, values: Mapping[str, Any]) -> str:
    return f"{scale / values['hidden'] ** 0.5:.2g}"


_WORDS = {
    "extra": lambda value, _: f"extra neurons {value}",
    "angle": lambda value, _: f"angle {value:g}°",
    "share": lambda value, _: f"mask share {100 * value:g} %",
    "interval": lambda value, _: f"refresh every {value} steps" if value else "refresh never",
    "dimension": lambda value, _: f"dimension {value}",
    "hidden": lambda value, _: f"hidden neurons {value}",
    "teacher": lambda value, _: f"teacher neurons {value}",
    "init_scale": lambda value, values: f"initial deviation {_deviation(value, values)}",
    "lr": lambda value, _: f"learning rate {value:g}",
    "optimizer": lambda value, _: "masked Adam" if value == "adam" else "masked gradient descent",
    "heads": lambda value, _: f"{value} heads",
}


def _make(kind: type[Kind], values: Mapping[str, Any]) -> Kind:
    options = {field.name for field in fields(kind)}
    for name in values:
        if name not in options:
            raise UserError(f"the study {NAME} has no option {name!r}{did_you_mean(name, options)}")
    plain = {n: tuple(value) if isinstance(value, list) else value for n, value in values.items()}
    return kind(**plain)  # type: ignore[arg-type]


def _check(setting: Setting, **ranges: tuple) -> None:
    for name, allowed in ranges.items():
        value = getattr(setting, name)
        if isinstance(allowed[0], str):
            one_of(name, value, allowed, UserError)
        elif value < allowed[0] or (allowed[1] is not None and value > allowed[1]):
            upper = f" and at most {allowed[1]}" if allowed[1] is not None else ""
            raise UserError(f"{name} must be at least {allowed[0]}{upper}, got {value}")
