"""Probes on disk, put together over the seeds: one group for each stream, model and strategy."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nanocl.records import RunSpec
from nanocl.records.probes import SCHEMA
from nanocl.reporting.statistics import mean


@dataclass(frozen=True)
class Look:
    """All layers at one step, means over the seeds.

    Attributes:
        experience, step: When.
        layers: Layer to what `nanocl.training.probe.look` gave, `None` where a seed had no number.
    """

    experience: int
    step: int
    layers: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seed alone.

    Attributes:
        name: `split-cifar10 adamw`: protocol and strategy.
        start: `from scratch` or `pretrained`.
        spec: One of the runs.
        seeds: Ascending.
        looks: In order.
        changes: Experience to layer to the mean absolute change in each tenth by magnitude.
        overlaps: Seed to the share of the largest 10 % of gradients in the smallest 10 % of weights
            over chance, mean over the layers and looks of the last experience.
        ratios: Seed to r, the geometric mean over the same.
    """

    name: str
    start: str
    spec: RunSpec
    seeds: tuple[int, ...]
    looks: tuple[Look, ...]
    changes: Mapping[int, Mapping[str, Sequence[float]]]
    overlaps: Mapping[int, float]
    ratios: Mapping[int, float]

    @property
    def title(self) -> str:
        """Name and start."""
        return f"{self.name}, {self.start}"

    def last(self) -> Look:
        """The last look of the last experience."""
        return self.looks[-1]

    def first(self) -> Look:
        """The first look of the last experience."""
        return next(look for look in self.looks if look.experience == self.looks[-1].experience)


def path_of(spec: RunSpec, root: Path) -> Path:
    """Where the probe of a run lies."""
    return Path(root) / "probes" / spec.protocol / f"s{spec.seed}-{spec.digest}.json"


def groups(root: Path) -> list[Group]:
    """All probes in a results folder that can be read, in the order of their names; those with no look are left out."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for path in sorted((Path(root) / "probes").glob("*/s*.json")):
        entry = _read(path)
        if entry:
            key = replace(RunSpec.from_dict(entry["spec"]), seed=0).digest
            found.setdefault(key, []).append(entry)
    made = [_group(entries) for entries in found.values()]
    titles = [group.title for group in made]
    return sorted(
        (
            group
            if titles.count(group.title) == 1
            else replace(group, name=f"{group.name} {group.spec.digest}")
            for group in made
        ),
        key=lambda group: group.title,
    )


def _read(path: Path) -> Mapping[str, Any] | None:
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))
        spec = RunSpec.from_dict(entry["spec"])
        fits = (
            entry["schema"] == SCHEMA
            and spec.digest == entry["digest"]
            and entry["looks"]
            and entry["changes"]
        )
        return entry if fits else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _group(entries: Sequence[Mapping[str, Any]]) -> Group:
    entries = sorted(entries, key=lambda entry: entry["spec"]["seed"])
    spec = RunSpec.from_dict(entries[0]["spec"])
    known = [
        {(look["experience"], look["step"]): look["layers"] for look in entry["looks"]}
        for entry in entries
    ]
    shared = [when for when in known[0] if all(when in looks for looks in known)]
    looks = tuple(Look(*when, _means([looks[when] for looks in known])) for when in shared)
    changes = [
        {change["experience"]: change["layers"] for change in entry["changes"]} for entry in entries
    ]
    pretrained = any(spec.model.options.get(name) for name in ("weights", "pretrain"))
    return Group(
        f"{spec.protocol} {spec.strategy_name}",
        "pretrained" if pretrained else "from scratch",
        spec,
        tuple(entry["spec"]["seed"] for entry in entries),
        looks,
        {
            when: _means([change[when] for change in changes])
            for when in changes[0]
            if all(when in change for change in changes)
        },
        {
            entry["spec"]["seed"]: mean([layer["overlap"]["0.1"] for layer in _last(entry)]) / 0.1
            for entry in entries
        },
        {
            entry["spec"]["seed"]: math.exp(
                mean([math.log(layer["ratio"]) for layer in _last(entry) if layer["ratio"]])
            )
            for entry in entries
        },
    )


def _last(entry: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The layers of all looks of the last experience."""
    last = entry["looks"][-1]["experience"]
    return [
        layer
        for look in entry["looks"]
        if look["experience"] == last
        for layer in look["layers"].values()
    ]


def _means(values: Sequence[Any]) -> Any:
    """The mean of numbers, taken inside equal mappings and lists; None where one of them is None."""
    first = values[0]
    if isinstance(first, Mapping):
        return {name: _means([value[name] for value in values]) for name in first}
    if isinstance(first, list):
        return [_means(column) for column in zip(*values, strict=True)]
    return None if None in values else mean(values)
