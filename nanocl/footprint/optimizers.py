"""Optimizers by the names people use, and how many bytes of state each keeps; Avalanche is not loaded for it."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from nanocl import footprint, optim
from nanocl.footprint import StateBytes
from nanocl.footprint.architectures import Weight
from nanocl.plugins.catalogue import INSTALLED, Catalogue, UnknownOption, UnknownPlugin
from nanocl.plugins.declaration import Plugin
from nanocl.records import Option, UserError
from nanocl.records.ranges import did_you_mean, one_of

LIBRARIES = {
    "torch": "torch.optim",
    "pytorch-optimizer": "pytorch_optimizer",
    "torchao": "torchao.optim",
    "bitsandbytes": "bitsandbytes.optim",
}
SHORTHANDS: Mapping[str, tuple[str, Mapping[str, Option]]] = {
    "sgd-momentum": ("sgd", {"momentum": 0.9})
}
NAMESAKES = {"LoRA": "LowRankAdamW"}
EIGHT_BIT = "adamw8bit"
HYBRIDS = ("torch:Muon", "pytorch-optimizer:SpectralSphere")
MUONS = tuple(f"pytorch-optimizer:{name}" for name in ("Muon", "AdaMuon", "AdaGO", "NorMuon"))
PROJECTIONS: Mapping[str, Mapping[str, Option]] = {
    f"pytorch-optimizer:{name}": {
        "rank": rank,
        "update_proj_gap": 200,
        "scale": scale,
        "projection_type": kind,
    }
    for name, rank, scale, kind in (
        ("GaLore", 128, 0.25, "std"),
        ("Fira", 128, 0.25, "std"),
        ("APOLLO", 256, 1.0, "random"),
    )
}
DENSE = {"norms+head": ("norm", "head"), "norms": ("norm",), "head": ("head",), "none": ()}


def names(catalogue: Catalogue = INSTALLED) -> list[str]:
    """Every name that `resolve` takes; `torch:` stands for any optimizer of that library."""
    return sorted([*_strategies(catalogue), *SHORTHANDS, EIGHT_BIT]) + [
        f"{library}:" for library in LIBRARIES
    ]


def resolve(
    name: str, given: Mapping[str, Any], dtype: torch.dtype, catalogue: Catalogue = INSTALLED
) -> tuple[StateBytes, dict[str, Any]]:
    """How many bytes of state an optimizer keeps for a weight in `dtype`, and its options in full.

    Args:
        name: A strategy that brings an optimizer, with that strategy's options; a shorthand; or an
            optimizer of a library, such as `torch:RMSprop`, with the arguments of its constructor.
        given: Options by name, as text or plain values.
        dtype: Of the weights.
        catalogue: All plugins.

    Raises:
        UserError: An unknown name or option, an option out of its range, or a library that is not
            installed.
    """
    if name == EIGHT_BIT:
        _known_options(name, given, ())
        return footprint.adamw8bit(dtype), {}
    if ":" in name and name.split(":")[0] in LIBRARIES:
        return _resolve_library(name, given, dtype)
    name, fixed = SHORTHANDS.get(name, (name, {}))
    strategies = _strategies(catalogue)
    if name not in strategies and name in catalogue.plugins("strategies"):
        raise UserError(
            f"the strategy {name!r} has no optimizer whose bytes can be told from the shapes of weights "
            f"alone; known are {', '.join(sorted(names(catalogue)))}"
        )
    if name not in strategies:
        raise UnknownPlugin(f"unknown optimizer {name!r}{did_you_mean(name, names(catalogue))}")
    optimizer = strategies[name]
    options = dict(catalogue.complete("strategies", name, {**fixed, **given}).options)
    dense, low_rank = _dense(name, options), optimizer is optim.LowRankAdamW

    def group_of(weight: Weight) -> dict[str, Any]:
        if weight.role in dense:
            return {"rank": None} if low_rank else {"density": 1.0}
        adapted = weight.is_matrix(input_layer=True, convolutions=True)
        return {"rank": 0} if low_rank and not adapted else {}

    return footprint.state_bytes_of(
        optimizer, _for_constructor(optimizer, options), dtype, group_of
    ), options


def _strategies(catalogue: Catalogue) -> dict[str, type[torch.optim.Optimizer]]:
    """Strategies whose optimizer is known: it has the strategy's class name, in our room of optimizers or torch's."""
    found = {name: _namesake(plugin) for name, plugin in catalogue.plugins("strategies").items()}
    return {name: optimizer for name, optimizer in found.items() if optimizer is not None}


def _namesake(plugin: Plugin) -> type[torch.optim.Optimizer] | None:
    if not plugin.brings_optimizer or plugin.is_library:
        return None
    name = NAMESAKES.get(plugin.class_name, plugin.class_name)
    return getattr(optim, name, None) or getattr(torch.optim, name, None)


def _dense(name: str, options: Mapping[str, Any]) -> tuple[str, ...]:
    dense = str(options.get("dense", "none"))
    return DENSE[one_of(f"{name}.dense", dense, tuple(DENSE), UserError)]


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
        raise UserError(
            f"{library}:{wanted} needs the package {library}; install it with: "
            f"pip install 'nanocl[{library}]'"
        ) from error
    known = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, torch.optim.Optimizer)
        and value is not torch.optim.Optimizer
    }
    if wanted not in known:
        raise UnknownPlugin(f"unknown optimizer '{library}:{wanted}'{did_you_mean(wanted, known)}")
    return known[wanted]


def _resolve_library(
    name: str, given: Mapping[str, Any], dtype: torch.dtype
) -> tuple[StateBytes, dict[str, Any]]:
    """An optimizer of a library, the weights divided as in a run between one of matrices and another or none."""
    optimizer = _of_library(*name.split(":", 1))
    extra = (
        {"input_layer": False} if name in (*HYBRIDS, *MUONS) else dict(PROJECTIONS.get(name, {}))
    )
    taken = [
        parameter for parameter in inspect.signature(optimizer).parameters if parameter != "params"
    ]
    _known_options(name, given, (*taken, *extra))
    options = {**extra, **{option: _literal(value) for option, value in given.items()}}
    own = {option: value for option, value in options.items() if option not in extra}
    wide = options.get("input_layer", False)
    if name in HYBRIDS:
        inside = footprint.state_bytes_of(optimizer, own, dtype)
        outside = footprint.state_bytes_of(torch.optim.AdamW, {}, dtype)
        return lambda weight: (inside if weight.is_matrix(input_layer=wide) else outside)(
            weight
        ), options

    def group_of(weight: Weight) -> dict[str, Any]:
        if name in MUONS:
            return {"use_muon": weight.is_matrix(input_layer=wide, convolutions=True)}
        return (
            {option: options[option] for option in extra}
            if weight.is_matrix(input_layer=True)
            else {}
        )

    return footprint.state_bytes_of(optimizer, own, dtype, group_of), options


def _known_options(name: str, given: Iterable[str], known: Iterable[str]) -> None:
    for option in given:
        if option not in known:
            raise UnknownOption(f"{name} has no option {option!r}{did_you_mean(option, known)}")


def _literal(value: Any) -> Any:
    words = {"true": True, "false": False, "none": None}
    if not isinstance(value, str) or value.lower() in words:
        return words.get(value.lower()) if isinstance(value, str) else value
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return value
