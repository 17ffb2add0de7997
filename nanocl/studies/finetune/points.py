"""From records to points: old-task and new-task accuracy of each arm, by seed and learning rate."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from nanocl.plugins.catalogue import INSTALLED
from nanocl.protocols import protocol, suite
from nanocl.protocols.request import Request
from nanocl.records import Option, Part, RunResult, RunSpec
from nanocl.studies.finetune.grids import DENSE_RATE, RATE, Grid, grid, learner_name

# Options of the stream whose runs have pages of their own: running statistics that follow the new
# task lower old-task accuracy although no weight has changed.
SWITCHES = {
    "norm_statistics=freeze": "running statistics frozen",
    "norm_statistics=restore": "each task tested with its own running statistics",
}


@dataclass(frozen=True)
class Point:
    """One run.

    Attributes:
        lr: Learning rate of the backbone, or of the head where that alone is swept.
        curve: Values of the other options in the sweep, as text: the points of a curve differ in
            the learning rate alone.
        new, old: Final accuracy on the test data of the new and of the old task, in [0, 1]; None if
            the run diverged.
        before: Accuracy on the old task before finetuning.
        drift: L2 distance of the backbone from its start.
        tensor_drift: Mean of that distance over the backbone's tensors.
        deciles: Mean absolute change in tenths of the backbone's weights, smallest weights first.
        untrained: Accuracy on the new task before finetuning.
        divergence, representation: KL of the outputs on the new task, and 1 - CKA of the old task's
            features (see `RunResult.function`); None if they were not recorded.
        held_new, held_old: As `new` and `old`, on held-out training data; None without them.
        dense_lr: Learning rate of head and norms, where it is swept beside that of the backbone.
    """

    lr: float
    curve: str
    new: float | None
    old: float | None
    before: float
    drift: float | None
    tensor_drift: float | None
    deciles: tuple[float, ...]
    untrained: float = 0.0
    divergence: float | None = None
    representation: float | None = None
    held_new: float | None = None
    held_old: float | None = None
    dense_lr: float | None = None


Seeds = Mapping[int, Sequence[Point]]  # seed to its points


@dataclass(frozen=True)
class Sweep:
    """The measured runs of a protocol at a tier.

    Attributes:
        name: The protocol, followed by its tier unless that is `cpu`, and by the value of a switch.
        title: A description for readers.
        spec: One of its runs.
        arms: Arm to seed to its points, by curve and ascending learning rate; arms in the order of
            the protocol.
        wanted: Number of runs in the protocol; with a switch, of the arms that were run.
        switch: The key of `SWITCHES` that was set, empty for none.
        grids: Arm to its learner and the values of its options.
    """

    name: str
    title: str
    spec: RunSpec
    arms: Mapping[str, Seeds]
    wanted: int
    switch: str = ""
    grids: Mapping[str, Grid] = field(default_factory=dict)

    @property
    def measured(self) -> int:
        """Number of measured runs."""
        return len(self.points())

    def points(self) -> list[Point]:
        """All points."""
        return [p for seeds in self.arms.values() for points in seeds.values() for p in points]


class _Records(tuple[RunResult, ...]):
    """Records that equal only the same objects: comparing their numbers would take long."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Records) and [*map(id, self)] == [*map(id, other)]

    def __hash__(self) -> int:
        return hash(tuple(map(id, self)))


def sweeps(results: Iterable[RunResult]) -> list[Sweep]:
    """The sweeps of all protocols that start from a learned task; smoke tests are left out.

    Pages, claims and figures of one report ask for the same ones.
    """
    return _sweeps(_Records(results))


@lru_cache(maxsize=1)
def _sweeps(results: _Records) -> list[Sweep]:
    measured = {_key(result.spec): result for result in _of_one_data_set(results)}
    names = {result.spec.protocol for result in measured.values()}
    made = []
    for name, values in protocol.protocols().items():
        if name not in names:
            continue
        switches = _switches(name, measured.values())
        for tier in values["tier"]:
            for switch in switches:
                sweep = None if tier == "smoke" else _sweep(name, tier, switch, values, measured)
                if sweep is not None:
                    made.append(sweep)
    return made


def arm_name(text: str, parts: Sequence[Part]) -> str:
    """The name of an arm on its page: NanoAdam by its selection, any other as in the protocol."""
    return learner_name(parts) if [part.name for part in parts] == ["nanoadam"] else text


def best_points(seeds: Seeds) -> list[Point]:
    """For each seed the point that learns the new task best; a seed without any is left out."""
    best = []
    for points in seeds.values():
        finished = [point for point in points if point.new is not None]
        if finished:
            best.append(max(finished, key=lambda point: point.new or 0.0))
    return best


def _switches(name: str, results: Iterable[RunResult]) -> list[str]:
    """No switch, and those that records of the protocol have."""
    options = [result.spec.stream.options for result in results if result.spec.protocol == name]
    present = [""]
    for switch in SWITCHES:
        key, value = switch.split("=")
        if any(str(values.get(key)) == value for values in options):
            present.append(switch)
    return present


def _sweep(
    name: str,
    tier: str,
    switch: str,
    values: Mapping[str, Any],
    measured: Mapping[Hashable, RunResult],
) -> Sweep | None:
    """The sweep of a protocol at a tier, or None if it is no sweep or nothing is measured."""
    settled = protocol.at(values, tier)
    if not (settled["sweep"] and settled["stream"].get("start")):
        return None
    settings = {"stream": dict([switch.split("=")])} if switch else {}
    arms: dict[str, Seeds] = {}
    grids: dict[str, Grid] = {}
    wanted = 0
    spec = None
    for arm in settled["strategies"]:
        request = Request(
            stream=name,
            tier=tier,
            strategies=(arm,),
            settings=settings,
        )
        specs = suite.specs(request, INSTALLED)
        keyed = [(run, _key(run)) for run in specs]
        runs = [(run, measured[key]) for run, key in keyed if key in measured]
        if runs or not switch:
            wanted += len(specs)
        if runs:
            usual = arm_name(arm, specs[0].strategy)
            key = arm if usual in arms else usual
            arms[key] = _points_by_seed(runs, _swept(specs))
            seeds = {run.seed for run, _ in runs}
            missing = sum(run.seed in seeds for run in specs) - len(runs)
            grids[key] = grid([run.strategy for run, _ in runs], missing)
            spec = runs[-1][1].spec
    if spec is None:
        return None
    title = values.get("title", name) + (f"; {SWITCHES[switch]}" if switch else "")
    return Sweep(_name(name, tier, switch), title, spec, arms, wanted, switch, grids)


def _name(protocol_name: str, tier: str, switch: str) -> str:
    parts = [protocol_name]
    if tier != "cpu":
        parts.append(tier)
    if switch:
        parts.append(switch.split("=")[1])
    return "-".join(parts)


def _points_by_seed(
    runs: Iterable[tuple[RunSpec, RunResult]], swept: Sequence[tuple[int, str]]
) -> Seeds:
    seeds: dict[int, list[Point]] = {}
    for run, result in runs:
        seeds.setdefault(run.seed, []).append(_point(result, run, swept))
    return {
        seed: tuple(sorted(points, key=lambda point: (point.curve, point.lr)))
        for seed, points in sorted(seeds.items())
    }


def _point(result: RunResult, run: RunSpec, swept: Sequence[tuple[int, str]]) -> Point:
    values = {name: run.strategy[place].options[name] for place, name in swept}
    names = [name for name in (RATE, DENSE_RATE) if name in values]
    rate = values.pop(names[0]) if names else _rate(run.strategy)
    complete = result.status == "ok"
    last = result.drift[-1] if complete else None
    first = result.evaluation[0][0] if result.evaluation else None
    held = result.validation[-1] if complete and result.validation else (None, None)
    function = result.function[-1] if complete and result.function else {}
    return Point(
        lr=float(rate or 0.0),
        curve=_text(values),
        new=result.evaluation[-1][-1] if complete else None,
        old=result.evaluation[-1][0] if complete else None,
        before=result.initial[0] if first is None else first,
        drift=last.start.get("backbone", {}).get("l2") if last else None,
        tensor_drift=last.average_tensor if last else None,
        deciles=tuple(last.deciles) if last else (),
        untrained=result.initial[-1],
        divergence=function.get("kl"),
        representation=function.get("representation"),
        held_new=held[-1],
        held_old=held[0],
        dense_lr=head if isinstance(head := values.get(DENSE_RATE), float) else None,
    )


def _swept(specs: Sequence[RunSpec]) -> list[tuple[int, str]]:
    """(Place of the part, option) of every option that differs between the runs of an arm."""
    swept = []
    for place, part in enumerate(specs[0].strategy):
        for name in part.options:
            values = [run.strategy[place].options[name] for run in specs]
            if any(value != values[0] for value in values):
                swept.append((place, name))
    return swept


def _rate(parts: Sequence[Part]) -> Option:
    """The learning rate of the last part that has one."""
    rates = [part.options[RATE] for part in parts if RATE in part.options]
    return rates[-1] if rates else 0.0


def _text(values: Mapping[str, Option]) -> str:
    return " ".join(
        f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in values.items()
    )


def _key(spec: RunSpec) -> Hashable:
    """Everything in a run that a protocol file decides.

    Left out are fingerprints, which depend on the machine, and where the options come from.
    """
    names = (spec.protocol, spec.tier, spec.scenario, spec.stream.name, spec.model.name, spec.seed)
    parts = tuple(
        (part.name, part.version, part.plugin, part.weights, part.pretrained_on)
        for part in spec.strategy
    )
    every = (*spec.strategy, spec.stream, spec.model)
    options = tuple(frozenset(part.options.items()) for part in every)
    return names, parts, options, tuple(vars(spec.training).values())


def _of_one_data_set(results: Iterable[RunResult]) -> list[RunResult]:
    """For each protocol and tier, the records of the data and weights that have most records."""
    groups: dict[tuple[str, str], dict[str, list[RunResult]]] = {}
    for result in results:
        spec = result.spec
        facts = f"{spec.data} {spec.model.weights}{spec.model.pretrained_on}"
        by_facts = groups.setdefault((spec.protocol, spec.tier), {})
        by_facts.setdefault(facts, []).append(result)
    kept = []
    for by_facts in groups.values():
        _, most = max(by_facts.items(), key=lambda item: (len(item[1]), item[0]))
        kept += most
    return kept
