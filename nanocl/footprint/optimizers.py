"""Optimizers by the names people use, and how many bytes of state each keeps; Avalanche is not loaded for it."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from nanocl import footprint, optim, registry
from nanocl.declaration import Plugin
from nanocl.footprint import StateBytes
from nanocl.records import Option, UserError

LIBRARIES = {"torch": "torch.optim", "pytorch-optimizer": "pytorch_optimizer", "torchao": "torchao.optim",
             "bitsandbytes": "bitsandbytes.optim"}
SHORTHANDS: Mapping[str, tuple[str, Mapping[str, Option]]] = {"sgd-momentum": ("sgd", {"momentum": 0.9})}
EIGHT_BIT = "adamw8bit"
DENSE = {"norms+head": ("norm", "head"), "norms": ("norm",), "head": ("head",), "none": ()}


def names(plugins: Iterable[Path] = ()) -> list[str]:
    """Every name that `resolve` takes; `torch:` stands for any optimizer of that library."""
    return sorted([*_strategies(plugins), *SHORTHANDS, EIGHT_BIT]) + [f"{library}:" for library in LIBRARIES]


def resolve(name: str, given: Mapping[str, Any], dtype: torch.dtype,
            plugins: Iterable[Path] = ()) -> tuple[StateBytes, dict[str, Any]]:
    """How many bytes of state an optimizer keeps for a weight in `dtype`, and its options in full.

    Args:
        name: A strategy that brings an optimizer, with that strategy's options; a shorthand; or an optimizer of a
            library, such as `torch:RMSprop`, with the arguments of its constructor.
        given: Options by name, as text or plain values.
        dtype: Of the weights.
        plugins: Files of the caller's own strategies.

    Raises:
        UserError: An unknown name or option, an option out of its range, or a library that is not installed.
    """
    if name == EIGHT_BIT:
        _known_options(name, given, ())
        return footprint.adamw8bit(dtype), {}
    if ":" in name and name.split(":")[0] in LIBRARIES:
        optimizer = _of_library(*name.split(":", 1))
        options = _arguments(name, optimizer, given)
        return _with_adamw(optimizer, footprint.state_bytes_of(optimizer, options, dtype), dtype), options
    name, fixed = SHORTHANDS.get(name, (name, {}))
    strategies = _strategies(plugins)
    if name not in strategies and name in registry.plugins("strategies", plugins):
        raise UserError(f"the strategy {name!r} has no optimizer whose bytes can be told from the shapes of weights "
                        f"alone; known are {', '.join(sorted(names(plugins)))}")
    if name not in strategies:
        raise registry.UnknownPlugin(f"unknown optimizer {name!r}{registry.did_you_mean(name, names(plugins))}")
    optimizer = strategies[name]
    options = dict(registry.complete("strategies", name, {**fixed, **given}, plugins).options)
    dense = _dense(name, options)
    return footprint.state_bytes_of(optimizer, _for_constructor(optimizer, options), dtype, dense), options


def _strategies(plugins: Iterable[Path]) -> dict[str, type[torch.optim.Optimizer]]:
    """Strategies whose optimizer is known: it has the strategy's class name, in our room of optimizers or torch's."""
    found = {name: _namesake(plugin) for name, plugin in registry.plugins("strategies", plugins).items()}
    return {name: optimizer for name, optimizer in found.items() if optimizer is not None}


def _namesake(plugin: Plugin) -> type[torch.optim.Optimizer] | None:
    if not plugin.brings_optimizer or plugin.is_library:
        return None
    return getattr(optim, plugin.class_name, None) or getattr(torch.optim, plugin.class_name, None)


def _dense(name: str, options: Mapping[str, Any]) -> tuple[str, ...]:
    chosen = options.get("dense", "none")
    if chosen not in DENSE:
        raise UserError(f"{name}.dense must be one of {', '.join(DENSE)}, got {chosen!r}"
                        f"{registry.did_you_mean(str(chosen), DENSE)}")
    return DENSE[chosen]


def _for_constructor(optimizer: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """The strategy's options that its optimizer takes, the two betas in one."""
    taken = inspect.signature(optimizer).parameters
    found = {name: value for name, value in options.items() if name in taken}
    if "beta1" in options and "betas" in taken:
        found["betas"] = (options["beta1"], options["beta2"])
    return found


def _of_library(library: str, wanted: str) -> type[torch.optim.Optimizer]:
    try:
        module = importlib.import_module(LIBRARIES[library])
    except ImportError as error:
        raise UserError(f"{library}:{wanted} needs the package {library}; install it with: "
                        f"pip install 'nanocl[{library}]'") from error
    known = {name: value for name, value in vars(module).items()
             if isinstance(value, type) and issubclass(value, torch.optim.Optimizer)
             and value is not torch.optim.Optimizer}
    if wanted not in known:
        raise registry.UnknownPlugin(f"unknown optimizer '{library}:{wanted}'{registry.did_you_mean(wanted, known)}")
    return known[wanted]


def _with_adamw(optimizer: type[torch.optim.Optimizer], state_bytes: StateBytes, dtype: torch.dtype) -> StateBytes:
    """For an optimizer of matrices alone: it on the hidden ones, torch's AdamW on all other weights, as in a run."""
    if optimizer is not getattr(torch.optim, "Muon", None):
        return state_bytes
    adamw = footprint.state_bytes_of(torch.optim.AdamW, {}, dtype)
    return lambda weight: (state_bytes if weight.is_hidden_matrix else adamw)(weight)


def _arguments(name: str, optimizer: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """Text as the plain values it spells, `0.9` or `(0.9, 0.99)`, and as itself where it spells none."""
    taken = [parameter for parameter in inspect.signature(optimizer).parameters if parameter != "params"]
    _known_options(name, given, taken)
    return {option: _literal(value) for option, value in given.items()}


def _known_options(name: str, given: Iterable[str], known: Iterable[str]) -> None:
    for option in given:
        if option not in known:
            raise registry.UnknownOption(f"{name} has no option {option!r}{registry.did_you_mean(option, known)}")


def _literal(value: Any) -> Any:
    words = {"true": True, "false": False, "none": None}
    if not isinstance(value, str) or value.lower() in words:
        return words.get(value.lower()) if isinstance(value, str) else value
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return value
