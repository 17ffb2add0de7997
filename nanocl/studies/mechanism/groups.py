"""Probes averaged over the seeds: one group for each stream, model and strategy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path
from typing import Any

from nanocl.records import RunSpec, probes
from nanocl.reporting.statistics import mean

Entry = Mapping[str, Any]  # the probe of one run
Layer = Mapping[str, Any]
Deciles = Sequence[float]


@dataclass(frozen=True)
class Look:
    """All layers at one step, means over the seeds.

    Attributes:
        experience, step: When.
        layers: Layer to the numbers of `nanocl.training.probe.look`; None if a seed has no number.
    """

    experience: int
    step: int
    layers: Mapping[str, Layer]


@dataclass(frozen=True)
class Group:
    """Runs that differ only in their seed.

    Attributes:
        name: Protocol and strategy, e.g. `split-cifar10 adamw`.
        start: `from scratch` or `pretrained`.
        spec: One of the runs.
        seeds: Ascending.
        looks: In order.
        changes: Experience to layer to the mean absolute change in each tenth by magnitude.
        overlaps: Seed to the share of the largest 10 % of gradients in the smallest 10 % of
            weights, divided by its expectation for independent gradients and weights; mean over
            the layers and looks of the last experience.
        ratios: Seed to r, the geometric mean over the same.
    """

    name: str
    start: str
    spec: RunSpec
    seeds: tuple[int, ...]
    looks: tuple[Look, ...]
    changes: Mapping[int, Mapping[str, Deciles]]
    overlaps: Mapping[int, float]
    ratios: Mapping[int, float]

    @property
    def title(self) -> str:
        """Name and start."""
        return f"{self.name}, {self.start}"

    def last(self) -> Look:
        """The last look of the last experience."""
        return self.looks[-1]


def groups(results_root: Path) -> list[Group]:
    """All usable probes of a results folder, in the order of their titles."""
    by_run: dict[tuple[str, str], list[Entry]] = {}
    for entry in probes.read_all(results_root):
        layers = [sorted(entry[part][0]["layers"]) for part in ("looks", "changes")]
        key = (replace(RunSpec.from_dict(entry["spec"]), seed=0).digest, repr(layers))
        by_run.setdefault(key, []).append(entry)
    made = [_group(entries) for entries in by_run.values()]
    titles = [group.title for group in made]
    distinct = [
        group
        if titles.count(group.title) == 1
        else replace(group, name=f"{group.name} {group.spec.digest}")
        for group in made
    ]
    return sorted(distinct, key=lambda group: group.title)


def _group(entries: Sequence[Entry]) -> Group:
    entries = sorted(entries, key=lambda entry: entry["spec"]["seed"])
    spec = RunSpec.from_dict(entries[0]["spec"])
    options = spec.model.options
    pretrained = bool(options.get("weights") or options.get("pretrain"))
    by_seed = {entry["spec"]["seed"]: _last_layers(entry) for entry in entries}
    return Group(
        name=f"{spec.protocol} {spec.strategy_name}",
        start="pretrained" if pretrained else "from scratch",
        spec=spec,
        seeds=tuple(by_seed),
        looks=_looks(entries),
        changes=_changes(entries),
        overlaps={seed: _overlap(layers) for seed, layers in by_seed.items()},
        ratios={seed: _ratio(layers) for seed, layers in by_seed.items()},
    )


def _looks(entries: Sequence[Entry]) -> tuple[Look, ...]:
    """The looks that all seeds have."""
    by_seed = []
    for entry in entries:
        looks = {(look["experience"], look["step"]): look["layers"] for look in entry["looks"]}
        by_seed.append(looks)
    means = _shared_means(by_seed)
    return tuple(Look(experience, step, layers) for (experience, step), layers in means.items())


def _changes(entries: Sequence[Entry]) -> dict[int, Mapping[str, Deciles]]:
    """The changes of the experiences that all seeds have."""
    by_seed = []
    for entry in entries:
        changes = {change["experience"]: change["layers"] for change in entry["changes"]}
        by_seed.append(changes)
    return _shared_means(by_seed)


def _shared_means(by_seed: Sequence[Mapping[Any, Any]]) -> dict[Any, Any]:
    """The means over the seeds, for the keys that all of them have."""
    means = {}
    for key in by_seed[0]:
        values = [entries[key] for entries in by_seed if key in entries]
        if len(values) == len(by_seed):
            means[key] = _means(values)
    return means


def _last_layers(entry: Entry) -> list[Layer]:
    """The layers of all looks of the last experience."""
    last = entry["looks"][-1]["experience"]
    layers: list[Layer] = []
    for look in entry["looks"]:
        if look["experience"] == last:
            layers += look["layers"].values()
    return layers


def _overlap(layers: Sequence[Layer]) -> float:
    # independent gradients and weights overlap at the density itself
    return mean([layer["overlap"]["0.1"] for layer in layers]) / 0.1


def _ratio(layers: Sequence[Layer]) -> float:
    return math.exp(mean([math.log(layer["ratio"]) for layer in layers if layer["ratio"]]))


def _means(values: Sequence[Any]) -> Any:
    """The mean of numbers, also inside equal mappings and lists; None if one of them is None."""
    first = values[0]
    if isinstance(first, Mapping):
        return {name: _means(list(map(itemgetter(name), values))) for name in first}
    if isinstance(first, list):
        return [_means(column) for column in zip(*values, strict=True)]
    return None if None in values else mean(values)
