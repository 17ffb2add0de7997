"""From a protocol, its baselines (both TOML) and a request to the complete list of run specs.

A protocol is `benchmarks/<name>.toml`: WHAT is run for a published table. Its tiers share one code
path:

    title, aliases, source       for people
    scenario, model, strategies, seeds
    [stream]                     family and its options
    [training]                   fields of nanocl.records.Training
    [options.<part>]             options of a model or strategy that belong to the protocol
    [arm.<name>]                 strategy (a composition) and options.<part>: a name of its own
    [sweep]                      option = [values] of the part that brings the optimizer: one run
                                 for each value
    [sweep.<arm or composition>] the same for one of them
    [tier.<name>]                any of the above, for one tier
    [for.<scenario>]             any of the above, for one scenario
    [tier.<name>.for.<scenario>] any of the above, for one scenario in one tier

Later tables win. Tuned options: a `[[recipe]]` with tier, scenario, how and options in
`baselines/<protocol>/<strategy>.toml`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nanocl.plugins import registry
from nanocl.protocols import backbones
from nanocl.protocols.protocol import (
    MOST_SEEDS,
    at,
    baseline,
    check_protocol,
    protocols,
    read,
)
from nanocl.protocols.sweeps import composition, points
from nanocl.records import TIERS, Part, RunSpec, Training, UserError
from nanocl.records.ranges import did_you_mean, one_of


@dataclass(frozen=True)
class Request:
    """What a caller asked for; empty means: as the protocol says.

    Attributes:
        stream: Name of a protocol, of an alias, of a stream family, or a TOML file.
        strategies: Compositions, e.g. `("adamw", "ewc+nanoadam")`.
        seeds: Seeds, or empty.
        scenario, tier, model: Names.
        settings: Part name to option to value, from `--set part.option=value`.
        plugins: Files of the caller's own plugins.
    """

    stream: str = "split-digits"
    strategies: Sequence[str] = ()
    seeds: Sequence[int] = ()
    scenario: str = ""
    tier: str = "cpu"
    model: str = ""
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    plugins: Sequence[Path] = ()


def specs(request: Request) -> list[RunSpec]:
    """Every run of the grid strategies x seeds, all names and options checked, all defaults filled in.

    Raises:
        UserError: An unknown name, or an option of the wrong type, with what would be right.
    """
    one_of("tier", request.tier, TIERS, UserError)
    if len(request.seeds) > MOST_SEEDS:
        raise UserError(f"at most {MOST_SEEDS} seeds a call, got {len(request.seeds)}")
    name, protocol = find(request.stream, request.plugins)
    try:
        return resolve(name, protocol, request)
    except UserError:
        if request.stream.endswith(".toml"):
            _blame(name, protocol, request)
        raise


def resolve(name: str, protocol: Mapping[str, Any], request: Request) -> list[RunSpec]:
    """As `specs`, of a protocol that was read already."""
    protocol = at(protocol, request.tier, request.scenario)
    scenario = protocol["scenario"]
    stream = _stream(protocol, request)
    _check_scenario("streams", stream.name, scenario, request.plugins)
    model = _model(request.model or protocol["model"], protocol, request)
    training = _training(_by_hand(protocol["training"], request.settings.get("training", {})))
    asked = {
        text: _ordered(composition(text, protocol).split("+"), request.plugins)
        for text in request.strategies or protocol["strategies"]
    }
    _check_settings(request, asked.values())
    seeds = list(request.seeds) or list(range(protocol["seeds"]))
    rows = [
        row
        for text, names in asked.items()
        for row in _points(text, names, name, scenario, protocol, request)
    ]
    rows = [row for place, row in enumerate(rows) if row not in rows[:place]]
    return [
        RunSpec(name, request.tier, scenario, stream, model, parts, training, seed, recipe=recipe)
        for seed in seeds
        for parts, recipe in rows
    ]


def _blame(name: str, protocol: Mapping[str, Any], request: Request) -> None:
    """Raise what is wrong with the file alone, by its name; nothing if only the caller's own wishes do not fit."""
    try:
        resolve(name, protocol, Request(request.stream, tier=request.tier, plugins=request.plugins))
    except UserError as error:
        raise type(error)(f"{request.stream}: {error}") from error


def find(name: str, plugins: Sequence[Path] = ()) -> tuple[str, dict[str, Any]]:
    """A protocol by name, alias, file, or a plain one for a stream family that has none."""
    if name.endswith(".toml"):
        protocol = read(Path(name))
        check_protocol(protocol, name)
        return Path(name).stem, protocol
    known = protocols()
    aliases = {alias: key for key, value in known.items() for alias in value.get("aliases", ())}
    if name in known or name in aliases:
        key = aliases.get(name, name)
        return key, known[key]
    families = registry.plugins("streams", plugins)
    if name in families:
        scenario = families[name].scenarios[0]
        return name, {"scenario": scenario, "stream": {"family": name}}
    hint = did_you_mean(name, [*known, *aliases, *families])
    raise registry.UnknownPlugin(f"unknown stream {name!r}{hint}")


def pin(runs: Iterable[RunSpec], root: Path | None, *, download: bool = True) -> list[RunSpec]:
    """The same runs with the fingerprints of their data sets, so that a digest also says which data.

    Raises:
        UserError: The data is missing or corrupted.
    """
    from nanocl import data  # here, because it loads numpy: `--help` and `--list` answer without it

    known: dict[tuple[str, int], str] = {}
    models: dict[str, Part] = {}
    pinned = []
    for run in runs:
        options = run.stream.options
        names = str(options.get("data", ""))
        if "datasets" in options:
            names = ",".join(
                dict.fromkeys(name for name, _ in data.parse_names(str(options["datasets"])))
            )
        if not names and {"data", "datasets"} & set(options):
            raise UserError(
                f"{run.benchmark} needs a data set: --set stream.data=NAME, an image folder or zip of that "
                "name in the data root"
            )
        key = (names, int(options.get("image_size", 0) or 0))
        if key not in known:
            known[key] = "+".join(
                data.fingerprint(name, root, image_size=key[1], download=download)
                for name in names.split(",")
                if name
            )
        if repr(run.model) not in models:
            models[repr(run.model)] = backbones.pinned(
                run.model, root, image_size=key[1], download=download
            )
        pinned.append(dataclasses.replace(run, model=models[repr(run.model)], data=known[key]))
    return pinned


def _points(
    text: str,
    names: tuple[str, ...],
    protocol_name: str,
    scenario: str,
    protocol: Mapping[str, Any],
    request: Request,
) -> Iterable[tuple[tuple[Part, ...], str]]:
    """The settings of one arm or composition: one, or those of its sweep."""
    leader = (
        names[-1] if registry.get("strategies", names[-1], request.plugins).brings_optimizer else ""
    )
    found = points(text, leader, protocol, _of(request.settings, leader))
    listed = {
        **protocol,
        "strategies": [composition(other, protocol) for other in protocol["strategies"]],
    }
    for options in found:
        both = {
            part: {**listed["options"].get(part, {}), **options.get(part, {})}
            for part in (*listed["options"], *options)
        }
        parts, recipe = _composition(
            names, protocol_name, scenario, {**listed, "options": both}, request
        )
        yield parts, "sweep" if len(found) > 1 else recipe


def _composition(
    names: tuple[str, ...],
    protocol_name: str,
    scenario: str,
    protocol: Mapping[str, Any],
    request: Request,
) -> tuple[tuple[Part, ...], str]:
    tuned = baseline(protocol_name, request.tier, scenario, "+".join(names))
    published = protocol["options"]
    parts = []
    for name in names:
        _check_scenario("strategies", name, scenario, request.plugins)
        given = {**_of(tuned, name), **_of(published, name), **_of(request.settings, name)}
        parts.append(registry.complete("strategies", name, given, request.plugins))
    if len({name.split(":")[0] for name in names}) < len(names):
        raise UserError(f"{'+'.join(names)} names a strategy twice")
    optimizers = [
        name for name in names if registry.get("strategies", name, request.plugins).brings_optimizer
    ]
    if len(optimizers) > 1:
        raise UserError(
            f"{'+'.join(names)}: at most one part may bring an optimizer, got {' and '.join(optimizers)}"
        )
    listed = names in [
        _ordered(text.split("+"), request.plugins) for text in protocol["strategies"]
    ]
    return tuple(parts), _recipe(parts, tuned, published if listed else {}, request)


def _recipe(
    parts: Sequence[Part], tuned: Mapping[str, Any], published: Mapping[str, Any], request: Request
) -> str:
    """Where the options come from: `tuned` and `published` only where the protocol is the one they were made for.

    `published` are compositions that the protocol lists and of whose parts it gives every one that
    has options.
    """

    def named(source: Mapping[str, Any]) -> list[bool]:
        return [
            part.name in source or part.name.split(":")[0] in source
            for part in parts
            if part.options
        ]

    own = (
        request.model
        or {"stream", "training", "model"} & set(request.settings)
        or request.stream.endswith(".toml")
    )
    if any(named(request.settings)):
        return "set"
    if named(published) and all(named(published)):
        return "set" if own else "published"
    if any(named(tuned)):
        return "set" if own else "tuned"
    return "default"


def _ordered(names: Sequence[str], plugins: Sequence[Path]) -> tuple[str, ...]:
    """The part that brings an optimizer last, the others as given: `adam+ewc` and `ewc+adam` are one composition."""
    if len(names) == 1:
        return tuple(names)
    return tuple(
        sorted(names, key=lambda name: registry.get("strategies", name, plugins).brings_optimizer)
    )


def _of(options: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, Any]:
    """Options given for `torch` and for `torch:Muon`, the nearer one last."""
    return {**options.get(name.split(":")[0], {}), **options.get(name, {})}


def _stream(protocol: Mapping[str, Any], request: Request) -> Part:
    values = {**protocol["stream"], **request.settings.get("stream", {})}
    family = values.pop("family")
    return registry.complete("streams", family, values, request.plugins)


def _model(name: str, protocol: Mapping[str, Any], request: Request) -> Part:
    given = {**_of(protocol["options"], name), **request.settings.get("model", {})}
    return backbones.complete(name, given, request.plugins)


def _by_hand(published: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """The training of a protocol with what the caller sets; `epochs` set by the caller puts `iterations` aside."""
    if {"epochs", "iterations"} <= set(given):
        raise UserError(
            "training.epochs and training.iterations exclude each other: set one of them"
        )
    return {**published, **({"iterations": 0} if "epochs" in given else {}), **given}


def _training(values: Mapping[str, Any]) -> Training:
    types = {f.name: (f.type,) for f in dataclasses.fields(Training)}
    for name in values:
        if name not in types:
            raise registry.UnknownOption(
                f"training has no option {name!r}{did_you_mean(name, types)}"
            )
    training = Training(
        **{n: registry.convert(f"training.{n}", v, types[n]) for n, v in values.items()}
    )
    for name, low in (
        ("epochs", 1),
        ("iterations", 0),
        ("batch_size", 1),
        ("evaluation_batch_size", 1),
        ("threads", 1),
    ):
        if getattr(training, name) < low:
            raise UserError(
                f"training.{name} must be at least {low}, got {getattr(training, name)}"
            )
    one_of(
        "training.head",
        training.head,
        ("auto", "seen", "all", "masked", "own", "shared"),
        UserError,
    )
    one_of("training.optimizer_state", training.optimizer_state, ("keep", "reset"), UserError)
    one_of("training.measured_on", training.measured_on, ("test", "validation"), UserError)
    return training


def _check_settings(request: Request, compositions: Iterable[tuple[str, ...]]) -> None:
    names = {name for names in compositions for name in names}
    known = {"stream", "model", "training"} | names | {name.split(":")[0] for name in names}
    for part in request.settings:
        if part not in known:
            raise registry.UnknownOption(
                f"--set {part}.…: no part of these runs is called {part!r}"
                f"{did_you_mean(part, sorted(known))}"
            )


def _check_scenario(kind: str, name: str, scenario: str, plugins: Sequence[Path]) -> None:
    plugin = registry.get(kind, name, plugins)
    if scenario not in plugin.scenarios:
        raise UserError(
            f"{name} does not support the {scenario}-incremental scenario; "
            f"it supports {', '.join(plugin.scenarios)}"
        )
