"""From a protocol, its baselines (both TOML) and a request to the complete list of run specs.

A protocol is `benchmarks/<name>.toml`: WHAT is run for a published table. Its tiers share one code
path:

    title, aliases, source       for people
    scenario, model, strategies, seeds
    evaluate                     which experiences are tested, see nanocl.records.measuring
    [stream]                     family and its options
    [training]                   fields of nanocl.records.Training
    [options.<part>]             options of a model or strategy that belong to the protocol
    [arm.<name>]                 strategy (a composition) and options.<part>: a name of its own
    [sweep]                      option = [values] of the part that brings the optimizer, or
                                 "part.option" = [values]: one run for each combination
    [sweep.<arm or composition>] the same for one of them
    [tier.<name>]                any of the above, for one tier
    [for.<scenario>]             any of the above, for one scenario
    [tier.<name>.for.<scenario>] any of the above, for one scenario in one tier

Later tables win. Tuned options: a `[[baseline]]` with tier, scenario, how and options in
`baselines/<protocol>/<strategy>.toml`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from nanocl.plugins.catalogue import Catalogue
from nanocl.plugins.values import UnknownOption, convert
from nanocl.protocols import backbones, baselines
from nanocl.protocols.compositions import Compositions, check_scenario
from nanocl.protocols.protocol import at, protocols, read
from nanocl.protocols.request import Request, options_for
from nanocl.protocols.validation import MOST_SEEDS, check_protocol
from nanocl.records import TIERS, Part, RunSpec, Training, UserError
from nanocl.records.measuring import ONCE, Measuring
from nanocl.records.ranges import at_least, did_you_mean, one_of

# the fields of Training that have a list of values
CHOICES = {
    "head": ("auto", "seen", "all", "masked", "own", "shared"),
    "optimizer_state": ("keep", "reset", "reset-step"),
    "measured_on": ("test", "validation"),
    "schedule": ("constant", "step", "cosine"),
    "schedule_at": ("experience", "stream"),
    "norm_statistics": ("update", "freeze", "restore"),
    "precision": ("fp32", "tf32", "bf16"),
    "until": ("end", "mastered"),
}


def specs(request: Request, catalogue: Catalogue) -> list[RunSpec]:
    """Every run of the grid strategies x seeds, all names and options checked and filled in.

    Raises:
        UserError: An unknown name, or an option of the wrong type, with what would be right.
    """
    one_of("tier", request.tier, TIERS, UserError)
    if len(request.seeds) > MOST_SEEDS:
        raise UserError(f"at most {MOST_SEEDS} seeds a call, got {len(request.seeds)}")
    name, protocol = find(request.stream, catalogue)
    try:
        return resolve(name, protocol, request, catalogue)
    except UserError:
        if request.stream.endswith(".toml"):
            _blame_file(name, protocol, request, catalogue)
        raise


def measuring(request: Request, catalogue: Catalogue) -> Measuring:
    """Which experiences are tested, and when: as the caller asks, else as the protocol says.

    A board by online accuracy is tracked, at least once an experience.

    Raises:
        UserError: A value that is not possible.
    """
    protocol = at(find(request.stream, catalogue)[1], request.tier, request.scenario)
    track_every = request.track_every or (ONCE if protocol["score"] == "online_accuracy" else 0)
    try:
        return Measuring(request.evaluate or protocol["evaluate"], track_every)
    except ValueError as error:
        raise UserError("--" + str(error).replace("_", "-", 1)) from error


def resolve(
    name: str,
    protocol: Mapping[str, Any],
    request: Request,
    catalogue: Catalogue,
) -> list[RunSpec]:
    """As `specs`, for a protocol that was read already."""
    protocol = at(protocol, request.tier, request.scenario)
    scenario = protocol["scenario"]
    model = _model(request.model or protocol["model"], protocol, request, catalogue)
    stream = _stream(protocol, request, model, catalogue)
    check_scenario(catalogue, "streams", stream.name, scenario)
    training = _training(protocol["training"], request.settings.get("training", {}))
    _check_experiences(training, stream)
    compositions = Compositions(name, protocol, request, catalogue)
    if request.lr:
        part = compositions.optimizer()
        settings = {**request.settings}
        settings[part] = {**settings.get(part, {}), "lr": request.lr}
        compositions = replace(compositions, request=replace(request, settings=settings))
    _check_settings(request, compositions.names().values(), model)
    seeds = list(request.seeds) or list(range(protocol["seeds"]))
    shared = (name, request.tier, scenario, stream, model)
    rows = compositions.rows()
    runs = [
        RunSpec(*shared, parts, training, seed, options_from=options_from)
        for seed in seeds
        for parts, options_from in rows
    ]
    for run in runs[: len(rows)]:
        if run.options_from == "tuned":
            baselines.check_protocol(run)
    return runs


def find(name: str, catalogue: Catalogue) -> tuple[str, Mapping[str, Any]]:
    """A protocol by name, alias or file, or a minimal one for a stream family that has none.

    Raises:
        UserError: No protocol or stream family has that name, or the file is wrong.
    """
    if name.endswith(".toml"):
        protocol = read(Path(name))
        check_protocol(protocol, name)
        return Path(name).stem, protocol
    by_name = protocols()
    aliases = {alias: key for key, value in by_name.items() for alias in value.get("aliases", ())}
    if name in by_name or name in aliases:
        key = aliases.get(name, name)
        return key, by_name[key]
    families = catalogue.plugins("streams")
    if name in families:
        scenario = families[name].scenarios[0]
        return name, {"scenario": scenario, "stream": {"family": name}}
    raise catalogue.unknown("streams", name, [*by_name, *aliases, *families])


def _blame_file(
    name: str,
    protocol: Mapping[str, Any],
    request: Request,
    catalogue: Catalogue,
) -> None:
    """Raise what is wrong with the file alone; nothing if only the caller's options do not fit."""
    try:
        resolve(name, protocol, Request(request.stream, tier=request.tier), catalogue)
    except UserError as error:
        raise type(error)(f"{request.stream}: {error}") from error


def _stream(
    protocol: Mapping[str, Any], request: Request, model: Part, catalogue: Catalogue
) -> Part:
    """The stream; texts are turned into tokens by the tokenizer of the model."""
    values = {**protocol["stream"], **request.settings.get("stream", {})}
    family = values.pop("family")
    own = backbones.tokenizer_of(model)
    if own and "tokenizer" in catalogue.plugin("streams", family).options:
        values.setdefault("tokenizer", own)
    if own and values.get("tokenizer", own) != own:
        raise UserError(
            f"stream.tokenizer must be that of the model, {own}, got {values['tokenizer']}"
        )
    return catalogue.complete("streams", family, values)


def _model(
    name: str,
    protocol: Mapping[str, Any],
    request: Request,
    catalogue: Catalogue,
) -> Part:
    name = backbones.full_name(name, catalogue)
    values = {**options_for(protocol["options"], name), **request.settings.get("model", {})}
    return backbones.complete(name, values, catalogue)


def _training(published: Mapping[str, Any], by_hand: Mapping[str, Any]) -> Training:
    """The training of a protocol with what the caller sets.

    `epochs` set by the caller replaces the protocol's `iterations`.
    """
    if {"epochs", "iterations"} <= set(by_hand):
        raise UserError("training.epochs and training.iterations exclude each other: set one")
    values = {
        **published,
        **({"iterations": 0} if "epochs" in by_hand else {}),
        **by_hand,
    }
    types = {f.name: (str(f.type),) for f in dataclasses.fields(Training)}
    for name in values:
        if name not in types:
            raise UnknownOption(f"training has no option {name!r}{did_you_mean(name, types)}")
    converted: dict[str, Any] = {
        name: convert(f"training.{name}", value, types[name]) for name, value in values.items()
    }
    training = Training(**converted)
    _check_training(training)
    return training


def _check_training(training: Training) -> None:
    least = {
        "iterations": 0,
        "epochs": 1,
        "batch_size": 1,
        "evaluation_batch_size": 1,
        "threads": 1,
        "experiences": 0,
    }
    try:
        for name, low in least.items():
            at_least(f"training.{name}", getattr(training, name), low)
    except ValueError as error:
        raise UserError(str(error)) from error
    for name, known in CHOICES.items():
        one_of(f"training.{name}", getattr(training, name), known, UserError)


def _check_experiences(training: Training, stream: Part) -> None:
    """Refuse more experiences than the stream has, where its options say how many."""
    count = stream.options.get("experiences")
    if isinstance(count, int) and training.experiences > count:
        raise UserError(
            f"training.experiences must be at most {count}, the experiences of the stream, got "
            f"{training.experiences}"
        )


def _check_settings(request: Request, compositions: Iterable[tuple[str, ...]], model: Part) -> None:
    names = {name for composition in compositions for name in composition}
    stems = {name.split(":")[0] for name in names}
    parts = {"stream", "model", "training"} | names | stems
    for part in request.settings:
        if part not in parts:
            # a protocol file has the model's options under its name
            is_model = part in (model.name, model.name.split(":")[0])
            hint = did_you_mean("model" if is_model else part, sorted(parts))
            raise UnknownOption(f"--set {part}.…: no part of these runs is called {part!r}{hint}")
