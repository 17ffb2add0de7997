"""Optimizers by name, and how many bytes of state each keeps; does not load Avalanche."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from nanocl import footprint, optim
from nanocl.footprint import StateBytes
from nanocl.footprint.architectures import Weight
from nanocl.libraries.hybrid import muon_groups, projected_groups, with_adamw
from nanocl.libraries.library import Way
from nanocl.libraries.packages import LIBRARIES
from nanocl.libraries.signature import arguments_of, signature_options
from nanocl.plugins.catalogue import INSTALLED, Catalogue, UnknownPlugin, load
from nanocl.plugins.declaration import Plugin
from nanocl.plugins.values import UnknownOption
from nanocl.records import Option, UserError
from nanocl.records.ranges import did_you_mean, one_of

SHORTHANDS: Mapping[str, tuple[str, Mapping[str, Option]]] = {
    "sgd-momentum": ("sgd", {"momentum": 0.9})
}
EIGHT_BIT = "adamw8bit"
DENSE = {
    "norms+head": ("norm", "head"),
    "norms": ("norm",),
    "head": ("head",),
    "none": (),
}
MODULES = {"optim": optim, "torch.optim": torch.optim}  # as strategies write them
WORDS = {"true": True, "false": False, "none": None}


def names(catalogue: Catalogue = INSTALLED) -> list[str]:
    """Every name that `resolve` takes; `torch:` stands for any optimizer of that library."""
    libraries = [f"{library}:" for library in LIBRARIES]
    return [*sorted([*_strategies(catalogue), *SHORTHANDS, EIGHT_BIT]), *libraries]


def resolve(
    name: str,
    values: Mapping[str, Any],
    dtype: torch.dtype,
    catalogue: Catalogue = INSTALLED,
) -> tuple[StateBytes, dict[str, Any]]:
    """How many bytes of state an optimizer keeps for a weight, and all its options.

    Args:
        name: A strategy that names its optimizer class, with that strategy's options; a shorthand;
            or an optimizer of a library, such as `torch:RMSprop`, with the arguments of its
            constructor.
        values: Options by name, as text or plain values.
        dtype: Type of the weights.
        catalogue: All plugins.

    Raises:
        UserError: An unknown name or option, an option out of its range, or a library that is not
            installed.
    """
    if name == EIGHT_BIT:
        _check_options(name, values, ())
        return footprint.adamw8bit(dtype), {}
    if ":" in name and name.split(":")[0] in LIBRARIES:
        return _resolve_library(name, values, dtype)
    name, fixed = SHORTHANDS.get(name, (name, {}))
    plugin = _strategy(name, catalogue)
    optimizer = _optimizer_class(plugin)
    options = dict(catalogue.complete("strategies", name, {**fixed, **values}).options)
    try:
        arguments = arguments_of(optimizer, options)
    except ValueError as error:
        raise UserError(f"{name}: {error}") from error
    dense = _dense_roles(name, options)

    def group_of(weight: Weight) -> dict[str, Any]:
        return _group_of(weight, optimizer, dense)

    return footprint.state_bytes_of(optimizer, arguments, dtype, group_of), options


def _strategies(catalogue: Catalogue) -> dict[str, Plugin]:
    """The strategies that name their optimizer class."""
    plugins = catalogue.plugins("strategies")
    return {name: plugin for name, plugin in plugins.items() if plugin.optimizer}


def _strategy(name: str, catalogue: Catalogue) -> Plugin:
    strategies = _strategies(catalogue)
    if name in strategies:
        return strategies[name]
    if name in catalogue.plugins("strategies"):
        raise UserError(
            f"the strategy {name!r} has no optimizer whose state size follows from parameter "
            f"shapes; use one of {', '.join(sorted(names(catalogue)))}"
        )
    raise UnknownPlugin(f"unknown optimizer {name!r}{did_you_mean(name, names(catalogue))}")


def _optimizer_class(plugin: Plugin) -> type[torch.optim.Optimizer]:
    module, _, name = plugin.optimizer.rpartition(".")
    # our own strategies need no import, which would load Avalanche
    if plugin.module.startswith("nanocl.") and module in MODULES:
        return getattr(MODULES[module], name)
    return vars(load(plugin))["optimizer_class"]


def _dense_roles(name: str, options: Mapping[str, Any]) -> tuple[str, ...]:
    dense = str(options.get("dense", "none"))
    return DENSE[one_of(f"{name}.dense", dense, tuple(DENSE), UserError)]


def _group_of(weight: Weight, optimizer: type, dense: tuple[str, ...]) -> dict[str, Any]:
    """Options of the weight's group: a sparse optimizer has a density, a low-rank one a rank."""
    parameters = inspect.signature(optimizer).parameters
    if "density" in parameters:
        if weight.role in dense:
            return {"density": 1.0}
        return {}
    if "rank" not in parameters:
        return {}
    if weight.role in dense:
        return {"rank": None}
    # weights that are neither dense nor get an adapter are frozen
    if weight.is_matrix(input_layer=True, convolutions=True):
        return {}
    return {"rank": 0}


def _resolve_library(
    name: str,
    values: Mapping[str, Any],
    dtype: torch.dtype,
) -> tuple[StateBytes, dict[str, Any]]:
    """An optimizer of a library, with the weights in the same parameter groups as in a run."""
    library, _, text = name.partition(":")
    optimizer = LIBRARIES[library].optimizer(text)
    way = LIBRARIES[library].way(text)
    extra = {option: default for option, (_, default) in way.extra.items()}
    given = {option: _literal(value) for option, value in values.items()}
    arguments = _library_arguments(name, optimizer, way, given)
    options = {**extra, **arguments, **given}
    wide = options.get("input_layer", False)

    def group_of(weight: Weight) -> dict[str, Any]:
        if way.make is muon_groups:
            return {"use_muon": weight.is_matrix(input_layer=wide, convolutions=True)}
        if way.make is projected_groups and weight.is_matrix(input_layer=True):
            return {option: options[option] for option in extra}
        return {}

    inside = footprint.state_bytes_of(optimizer, arguments, dtype, group_of)
    if way.make is not with_adamw:
        return inside, options
    outside = footprint.state_bytes_of(torch.optim.AdamW, {}, dtype)

    def of(weight: Weight) -> int:
        return (inside if weight.is_matrix(input_layer=wide) else outside)(weight)

    return StateBytes(of), options


def _library_arguments(
    name: str,
    optimizer: type[torch.optim.Optimizer],
    way: Way,
    given: Mapping[str, Any],
) -> dict[str, Any]:
    """Arguments of the constructor: those given, and defaults of a run that differ from its own.

    A tuple can be given whole, such as `betas`, or by its entries, such as `beta1`.
    """
    declared = {option: default for option, (_, default) in signature_options(optimizer).items()}
    parameters = [p for p in inspect.signature(optimizer).parameters if p != "params"]
    _check_options(name, given, dict.fromkeys((*parameters, *declared, *way.extra)))
    whole = {option: value for option, value in given.items() if option in parameters}
    entries = {option: value for option, value in given.items() if option in declared}
    changed = {**way.defaults, **entries}
    # with a rate, which the constructor may require and which decides no size
    filled = arguments_of(optimizer, {**declared, "lr": declared.get("lr") or 1.0, **changed})
    usual = inspect.signature(optimizer).parameters
    arguments = {
        argument: value
        for argument, value in filled.items()
        if argument in changed or value != usual[argument].default
    }
    return {**arguments, **whole}


def _check_options(name: str, options: Iterable[str], declared: Iterable[str]) -> None:
    declared = tuple(declared)
    for option in options:
        if option not in declared:
            raise UnknownOption(f"{name} has no option {option!r}{did_you_mean(option, declared)}")


def _literal(value: Any) -> Any:
    """The Python value of a text; a text that is no literal stays a text."""
    if not isinstance(value, str):
        return value
    if value.lower() in WORDS:
        return WORDS[value.lower()]
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return value
