"""From records to points: what each arm of a protocol did to the old and the new task, by seed and learning rate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from nanocl.plugins.catalogue import INSTALLED
from nanocl.protocols import protocol, suite
from nanocl.protocols.request import Request
from nanocl.records import Option, Part, RunResult, RunSpec, hash_of

RATE = "lr"
# settings of the stream that are compared on pages of their own: they pass for forgetting, or hide
# it
SWITCHES = {
    "norm_statistics=freeze": "running statistics frozen",
    "norm_statistics=restore": "each task tested with its own running statistics",
}


@dataclass(frozen=True)
class Point:
    """One run.

    Attributes:
        lr: Learning rate.
        curve: Values of what else is swept, as text: points of one curve differ in the learning
            rate alone.
        new, old: Accuracy on the new and on the old task in the end, in [0, 1]; None where the run
            diverged.
        before: Accuracy on the old task before finetuning.
        drift: L2 distance of the backbone from its start.
        tensor_drift: Mean over the backbone's tensors of that distance.
        deciles: Mean absolute change in each tenth of the backbone's weights by magnitude, smallest
            first.
    """

    lr: float
    curve: str
    new: float | None
    old: float | None
    before: float
    drift: float | None
    tensor_drift: float | None
    deciles: tuple[float, ...]


@dataclass(frozen=True)
class Comparison:
    """The measured runs of a protocol at a tier.

    Attributes:
        name: The protocol, with its tier unless that is `cpu`, and what a switch is set to.
        title: What it is, for people.
        spec: One of its runs.
        arms: Arm to seed to its points, by curve and ascending learning rate; in the protocol's
            order of arms.
        wanted: Runs that the protocol asks for; with a switch, of the arms that were run.
        switch: Which of `SWITCHES` was set, empty for none.
    """

    name: str
    title: str
    spec: RunSpec
    arms: Mapping[str, Mapping[int, tuple[Point, ...]]]
    wanted: int
    switch: str = ""

    @property
    def measured(self) -> int:
        """Runs that are measured."""
        return sum(len(points) for seeds in self.arms.values() for points in seeds.values())


def comparisons(results: Iterable[RunResult]) -> list[Comparison]:
    """All protocols with a sweep and a known first task of which there are records, smoke tests left out."""
    known = {_key(result.spec): result for result in _of_one_data_set(results)}
    names = {result.spec.protocol for result in known.values()}
    found = []
    for name, values in protocol.protocols().items():
        if name in names:
            found += [
                made
                for tier in values["tier"]
                if tier != "smoke"
                for switch in _switches(name, known.values())
                if (made := _comparison(name, tier, switch, values, known)) is not None
            ]
    return found


def _switches(name: str, results: Iterable[RunResult]) -> list[str]:
    """No switch, and those that records of the protocol have."""
    options = [result.spec.stream.options for result in results if result.spec.protocol == name]
    return [
        "",
        *(
            switch
            for switch in SWITCHES
            if any(
                str(given.get(switch.split("=")[0])) == switch.split("=")[1] for given in options
            )
        ),
    ]


def _comparison(
    name: str, tier: str, switch: str, values: Mapping[str, Any], known: Mapping[str, RunResult]
) -> Comparison | None:
    settled = protocol.at(values, tier)
    if not (settled["sweep"] and settled["stream"].get("start")):
        return None
    settings = {"stream": dict([switch.split("=")])} if switch else {}
    arms: dict[str, dict[int, tuple[Point, ...]]] = {}
    wanted, spec = 0, None
    for arm in settled["strategies"]:
        specs = suite.specs(
            Request(stream=name, tier=tier, strategies=(arm,), settings=settings), INSTALLED
        )
        swept, seeds = _swept(specs), {}
        for run in specs:
            if (result := known.get(_key(run))) is not None:
                seeds.setdefault(run.seed, []).append(_point(result, run, swept))
                spec = result.spec
        wanted += len(specs) if seeds or not switch else 0
        if seeds:
            called = arm_name(arm, specs[0].strategy)
            arms[arm if called in arms else called] = {
                seed: tuple(sorted(points, key=lambda p: (p.curve, p.lr)))
                for seed, points in sorted(seeds.items())
            }
    if spec is None:
        return None
    named = "-".join(
        [name, *([tier] if tier != "cpu" else []), *([switch.split("=")[1]] if switch else [])]
    )
    title = values.get("title", name) + (f"; {SWITCHES[switch]}" if switch else "")
    return Comparison(named, title, spec, arms, wanted, switch)


def arm_name(text: str, parts: Sequence[Part]) -> str:
    """What an arm is called everywhere: NanoAdam by what it selects, any other by its name in the protocol."""
    if len(parts) != 1 or parts[0].name != "nanoadam":
        return text
    options = parts[0].options
    if not options["density"]:
        return "head+norms"
    return "nanoadam" if options["select"] == "small" else str(options["select"])


def _point(result: RunResult, run: RunSpec, swept: Sequence[tuple[int, str]]) -> Point:
    values = {name: run.strategy[place].options[name] for place, name in swept}
    rate = values.pop(RATE, None)
    complete = result.status == "ok"
    last = result.drift[-1] if complete else None
    return Point(
        lr=float(rate if rate is not None else _rate(run.strategy)),
        curve=_text(values),
        new=result.evaluation[-1][-1] if complete else None,
        old=result.evaluation[-1][0] if complete else None,
        before=result.evaluation[0][0] if result.evaluation else result.initial[0],
        drift=last.start["backbone"]["l2"] if last else None,
        tensor_drift=last.average_tensor if last else None,
        deciles=tuple(last.deciles) if last else (),
    )


def _swept(specs: Sequence[RunSpec]) -> list[tuple[int, str]]:
    """(Place of the part, option) of all that differs between the runs of an arm."""
    first = specs[0].strategy
    return [
        (place, name)
        for place, part in enumerate(first)
        for name, value in part.options.items()
        if any(run.strategy[place].options[name] != value for run in specs)
    ]


def _rate(parts: Sequence[Part]) -> Option:
    return next((part.options[RATE] for part in reversed(parts) if RATE in part.options), 0.0)


def _text(values: Mapping[str, Option]) -> str:
    return " ".join(
        f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in values.items()
    )


def _key(spec: RunSpec) -> str:
    """What a protocol file decides of a run: neither fingerprints nor where the options come from."""
    parts = {
        "strategy": [asdict(part) for part in spec.strategy],
        "training": asdict(spec.training),
        "stream": dict(spec.stream.options),
        "model": dict(spec.model.options),
    }
    return hash_of(
        [
            spec.protocol,
            spec.tier,
            spec.scenario,
            spec.stream.name,
            spec.model.name,
            spec.seed,
            parts,
        ],
        20,
    )


def _of_one_data_set(results: Iterable[RunResult]) -> list[RunResult]:
    """For each benchmark and tier, the records of the data and weights that have most of them."""
    groups: dict[tuple[str, str], dict[str, list[RunResult]]] = {}
    for result in results:
        facts = f"{result.spec.data} {result.spec.model.weights}{result.spec.model.pretrained_on}"
        groups.setdefault((result.spec.protocol, result.spec.tier), {}).setdefault(
            facts, []
        ).append(result)
    return [
        result
        for group in groups.values()
        for result in max(group.items(), key=lambda item: (len(item[1]), item[0]))[1]
    ]
