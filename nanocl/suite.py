"""Protocols and baselines (TOML) plus what the caller asked for, to the complete list of runs.

A protocol is `benchmarks/<name>.toml`: WHAT is run for a published table. Its tiers share one code path:

    title, aliases, source       for people
    scenario, model, strategies, seeds
    [stream]                     family and its options
    [training]                   fields of nanocl.records.Training
    [options.<part>]             options of a model or strategy that belong to the protocol
    [tier.<name>]                any of the above again, for one tier
    [for.<scenario>]             any of the above again, for one scenario
    [tier.<name>.for.<scenario>] any of the above again, for one scenario in this tier

Later ones win. Tuned options: a `[[recipe]]` with tier, scenario, how and options in
`baselines/<protocol>/<strategy>.toml`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nanocl import registry
from nanocl.records import SCENARIOS, TIERS, Part, RunSpec, Training, UserError

_KEYS = {"title", "aliases", "source", "scenario", "model", "strategies", "seeds", "stream", "training", "options"}


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
    name, protocol = find(request.stream, request.plugins)
    protocol = at(protocol, request.tier, request.scenario)
    scenario = protocol["scenario"]
    stream = _stream(protocol, request)
    _check_scenario("streams", stream.name, scenario, request.plugins)
    model = _part("models", request.model or protocol["model"], "model", protocol, request)
    training = _training({**protocol["training"], **request.settings.get("training", {})})
    compositions = [tuple(text.split("+")) for text in request.strategies or protocol["strategies"]]
    _check_settings(request, compositions)
    seeds = list(request.seeds) or list(range(protocol["seeds"]))
    rows = [_composition(names, name, scenario, protocol, request) for names in dict.fromkeys(compositions)]
    return [RunSpec(name, request.tier, scenario, stream, model, parts, training, seed, recipe=recipe)
            for seed in seeds for parts, recipe in rows]


def protocols() -> dict[str, dict[str, Any]]:
    """All protocols that come with nanocl, by name."""
    return {path.stem: _read(path) for path in sorted(_folder("benchmarks").glob("*.toml"))}


def find(name: str, plugins: Sequence[Path] = ()) -> tuple[str, dict[str, Any]]:
    """A protocol by name, alias, file, or a plain one for a stream family that has none."""
    if name.endswith(".toml"):
        return Path(name).stem, _read(Path(name))
    known = protocols()
    aliases = {alias: key for key, value in known.items() for alias in value.get("aliases", ())}
    if name in known or name in aliases:
        key = aliases.get(name, name)
        return key, known[key]
    families = registry.plugins("streams", plugins)
    if name in families:
        scenario = families[name].scenarios[0]
        return name, {"scenario": scenario, "stream": {"family": name}}
    hint = registry.did_you_mean(name, [*known, *aliases, *families])
    raise registry.UnknownPlugin(f"unknown stream {name!r}{hint}")


def at(protocol: Mapping[str, Any], tier: str, scenario: str = "") -> dict[str, Any]:
    """The protocol at a tier and scenario, defaults filled in."""
    _choice("tier", tier, TIERS)
    base = {"scenario": "class", "model": "mlp", "strategies": ["adamw"], "seeds": 3, "training": {}, "options": {}}
    tiers = protocol.get("tier", {})
    if tiers and tier not in tiers:
        raise UserError(f"this protocol has no tier {tier!r}{registry.did_you_mean(tier, tiers)}")
    chosen = tiers.get(tier, {})
    merged = _merge(_merge(base, _only(protocol)), _only(chosen))
    merged["scenario"] = _choice("scenario", scenario or merged["scenario"], SCENARIOS)
    for source in (protocol, chosen):
        special = source.get("for", {}).get(merged["scenario"], {})
        merged = _merge(merged, special)
    return merged


def baseline(protocol: str, tier: str, scenario: str, composition: str) -> dict[str, dict[str, Any]]:
    """Tuned options by part, or nothing: the `[[recipe]]` for this tier and scenario in
    `baselines/<protocol>/<composition>.toml`.
    """
    path = _folder("baselines") / protocol / f"{composition}.toml"
    recipes = _read(path).get("recipe", []) if path.exists() else []
    fitting = [r["options"] for r in recipes if (r["tier"], r["scenario"]) == (tier, scenario)]
    return fitting[0] if fitting else {}


def pin(runs: Iterable[RunSpec], root: Path | None, *, download: bool = True) -> list[RunSpec]:
    """The same runs with the fingerprints of their data sets, so that a digest also says which data.

    Raises:
        UserError: The data is missing or corrupted.
    """
    from nanocl import data  # here, because it loads numpy: `--help` and `--list` answer without it

    known: dict[tuple[str, int], str] = {}
    pinned = []
    for run in runs:
        options = run.stream.options
        names = str(options.get("datasets", options.get("data", "")))
        if not names and {"data", "datasets"} & set(options):
            raise UserError(f"{run.benchmark} needs a data set: --set stream.data=NAME, an image folder or zip of that "
                            "name in the data root")
        key = (names, int(options.get("image_size", 0) or 0))
        if key not in known:
            known[key] = "+".join(data.fingerprint(name, root, image_size=key[1], download=download)
                                  for name in names.split(",") if name)
        pinned.append(run.with_data(known[key]))
    return pinned


def _composition(names: tuple[str, ...], protocol_name: str, scenario: str, protocol: Mapping[str, Any],
                 request: Request) -> tuple[tuple[Part, ...], str]:
    tuned = baseline(protocol_name, request.tier, scenario, "+".join(names))
    published = protocol["options"]
    parts = []
    for name in names:
        _check_scenario("strategies", name, scenario, request.plugins)
        given = {**_of(tuned, name), **_of(published, name), **_of(request.settings, name)}
        parts.append(registry.complete("strategies", name, given, request.plugins))
    stems = {name.split(":")[0] for name in names}
    if len(stems) < len(names):
        raise UserError(f"{'+'.join(names)} names a strategy twice")
    optimizers = [name for name in names if registry.get("strategies", name, request.plugins).brings_optimizer]
    if len(optimizers) > 1:
        raise UserError(f"{'+'.join(names)}: at most one part may bring an optimizer, got {' and '.join(optimizers)}")
    for recipe, source in (("set", request.settings), ("published", published), ("tuned", tuned)):
        if (stems | set(names)) & set(source):
            elsewhere = recipe == "tuned" and (request.model or {"stream", "training", "model"} & set(request.settings))
            return tuple(parts), "set" if elsewhere else recipe
    return tuple(parts), "default"


def _of(options: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, Any]:
    """Options given for `torch` and for `torch:Muon`, the nearer one last."""
    return {**options.get(name.split(":")[0], {}), **options.get(name, {})}


def _stream(protocol: Mapping[str, Any], request: Request) -> Part:
    values = {**protocol["stream"], **request.settings.get("stream", {})}
    family = values.pop("family")
    return registry.complete("streams", family, values, request.plugins)


def _part(kind: str, name: str, label: str, protocol: Mapping[str, Any], request: Request) -> Part:
    given = {**_of(protocol["options"], name), **request.settings.get(label, {})}
    part = registry.complete(kind, name, given, request.plugins)
    weights = Path(str(part.options.get("weights", "")))
    if weights.is_file():  # other weights under the same name are another run
        return dataclasses.replace(part, source=hashlib.sha256(weights.read_bytes()).hexdigest()[:12])
    return part


def _training(values: Mapping[str, Any]) -> Training:
    types = {f.name: (f.type,) for f in dataclasses.fields(Training)}
    for name in values:
        if name not in types:
            raise registry.UnknownOption(f"training has no option {name!r}{registry.did_you_mean(name, types)}")
    training = Training(**{n: registry.convert(f"training.{n}", v, types[n]) for n, v in values.items()})
    for name, low in (("epochs", 1), ("iterations", 0), ("batch_size", 1), ("evaluation_batch_size", 1),
                      ("threads", 1)):
        if getattr(training, name) < low:
            raise UserError(f"training.{name} must be at least {low}, got {getattr(training, name)}")
    _choice("training.head", training.head, ("auto", "seen", "all", "masked", "own", "shared"))
    _choice("training.optimizer_state", training.optimizer_state, ("keep", "reset"))
    _choice("training.measured_on", training.measured_on, ("test", "validation"))
    return training


def _check_settings(request: Request, compositions: Iterable[tuple[str, ...]]) -> None:
    names = {name for names in compositions for name in names}
    known = {"stream", "model", "training"} | names | {name.split(":")[0] for name in names}
    for part in request.settings:
        if part not in known:
            raise registry.UnknownOption(f"--set {part}.…: no part of these runs is called {part!r}"
                                         f"{registry.did_you_mean(part, sorted(known))}")


def _check_scenario(kind: str, name: str, scenario: str, plugins: Sequence[Path]) -> None:
    plugin = registry.get(kind, name, plugins)
    if scenario not in plugin.scenarios:
        raise UserError(f"{name} does not support the {scenario}-incremental scenario; "
                        f"it supports {', '.join(plugin.scenarios)}")


def _choice(label: str, value: str, allowed: Sequence[str]) -> str:
    if value not in allowed:
        raise UserError(f"{label} must be one of {', '.join(allowed)}, got {value!r}"
                        f"{registry.did_you_mean(value, allowed)}")
    return value


def _only(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key in _KEYS}


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path} is no valid TOML: {error}") from error


def _folder(name: str) -> Path:
    installed = Path(__file__).parent / name
    return installed if installed.is_dir() else Path(__file__).parent.parent / name
