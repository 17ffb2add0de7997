"""A package of optimizers: options from signatures, and a reason for each that cannot run here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from nanocl.libraries.restart import restart_when_emptied
from nanocl.libraries.signature import (
    Options,
    OptionValues,
    arguments_of,
    required,
    signature_options,
)
from nanocl.records import Option, UserError, extras
from nanocl.records.ranges import did_you_mean

Make = Callable[[type[Optimizer], nn.Module, dict[str, Any], dict[str, Any]], Optimizer]
BASE = "base_optimizer"  # the argument of an optimizer that wraps another


def plain(
    optimizer: type[Optimizer],
    model: nn.Module,
    arguments: dict[str, Any],
    extra: dict[str, Any],
) -> Optimizer:
    """The optimizer on all parameters in one group."""
    return optimizer(model.parameters(), **arguments, **extra)


@dataclass(frozen=True)
class Way:
    """How to build an optimizer whose signature is not enough.

    Attributes:
        make: From the class, the model, its arguments and the extra options to the optimizer.
        extra: Options beside those of the signature.
        defaults: Defaults that differ from the signature's.
        without: Options of the signature that have no effect, or not the effect of their name.
        needs_closure: Whether its step repeats the pass over the mini-batch.
        check: Raises ValueError for options that the library would silently misread.
        holds: Dotted names of the classes of which it keeps instances in its state. They only hold
            values, so that a checkpoint with them may be read.
    """

    make: Make = plain
    extra: Options = field(default_factory=dict)
    defaults: OptionValues = field(default_factory=dict)
    without: frozenset[str] = frozenset()
    needs_closure: bool = False
    check: Callable[[OptionValues], None] = lambda options: None
    holds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Library:
    """A package of optimizers.

    Attributes:
        name: Its name on the command line.
        module: The module whose public optimizers it offers.
        package: Its name for pip; also the extra of nanocl that installs it.
        usual: How to build an optimizer that `ways` does not name.
        ways: Optimizers that need more than their signature.
        refused: Optimizers that cannot run here or do not do what their name says, with the reason.
    """

    name: str
    module: str
    package: str
    usual: Way = field(default_factory=Way)
    ways: Mapping[str, Way] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)

    def optimizers(self) -> dict[str, type[Optimizer]]:
        """Every public optimizer of the package by name, refused ones too.

        Raises:
            UserError: The package is not installed.
        """
        try:
            module = extras.load(self.module)
        except ImportError as error:
            raise UserError(
                f"{self.name}: its optimizers need the package {self.package}; install it with: "
                f"{extras.command(self.package)} ({error})"
            ) from error
        public = {name: value for name, value in vars(module).items() if not name.startswith("_")}
        return {
            name: value
            for name, value in sorted(public.items())
            if isinstance(value, type) and issubclass(value, Optimizer) and value is not Optimizer
        }

    def optimizer(self, name: str) -> type[Optimizer]:
        """The class of that name, even if it is refused in runs.

        Raises:
            UserError: The library is missing or has no such optimizer.
        """
        optimizers = self.optimizers()
        if name not in optimizers:
            same = [other for other in optimizers if other.lower() == name.lower()]
            hint = f"; did you mean {same[0]!r}?" if same else did_you_mean(name, optimizers)
            raise UserError(f"{self.name} has no optimizer {name!r}{hint}")
        return optimizers[name]

    def way(self, name: str) -> Way:
        """How the optimizer of that name is built."""
        return self.ways.get(name, self.usual)

    def options_of(self, text: str) -> Options:
        """Every option of an optimizer, `Lion` or, for one that wraps another, `SAM:Lion`.

        Raises:
            UserError: The library is missing, has no such optimizer, or it cannot run here.
        """
        optimizer, base, way = self._parse(text)
        options = {
            **(signature_options(base) if base else {}),
            **signature_options(optimizer),
            **way.extra,
        }
        options |= {name: (options[name][0], value) for name, value in way.defaults.items()}
        return {name: option for name, option in options.items() if name not in way.without}

    def build(self, text: str, options: OptionValues, model: nn.Module) -> Optimizer:
        """The optimizer on all parameters of a model.

        Frozen parameters are included, because Avalanche would add a parameter that it misses. The
        optimizer restarts when Avalanche empties its state. Its attribute `needs_closure` tells the
        learner whether `step` needs a closure.
        """
        optimizer = self._make(text, options, model)
        restart_when_emptied(optimizer, lambda: self._make(text, options, model))
        return optimizer

    def complete(self, text: str, values: OptionValues) -> dict[str, Option]:
        """The options with every default filled in, checked by the library itself.

        The check builds the optimizer on a small network; torch's generator is left alone.

        Raises:
            ValueError: The optimizer has no such option, or the library rejects a value.
        """
        declared = self.options_of(text)
        for option in set(values) - set(declared):
            raise UserError(
                f"{self.name}:{text} has no option {option!r}{did_you_mean(option, declared)}"
            )
        options = {name: values.get(name, default) for name, (_, default) in declared.items()}
        self._parse(text)[2].check(options)
        with torch.random.fork_rng(devices=[]):
            try:
                self._make(text, options, nn.Sequential(*(nn.Linear(2, 2) for _ in range(3))))
            except ValueError:
                raise
            except Exception as error:  # each library has exceptions of its own
                raise ValueError(f"{self.name}:{text}: {error}") from error
        return options

    def _make(self, text: str, options: OptionValues, model: nn.Module) -> Optimizer:
        optimizer, base, way = self._parse(text)
        arguments = {
            **(arguments_of(base, options) if base else {}),
            **arguments_of(optimizer, options),
        }
        if base:
            arguments[BASE] = base
        torch.serialization.add_safe_globals([_import(name) for name in way.holds])
        made = way.make(optimizer, model, arguments, {name: options[name] for name in way.extra})
        # an attribute of ours, which torch's class does not declare
        made.needs_closure = way.needs_closure or base is not None  # type: ignore[attr-defined]
        return made

    def _parse(self, text: str) -> tuple[type[Optimizer], type[Optimizer] | None, Way]:
        """The optimizer, the one that it wraps, and how to build it."""
        name, _, inner = text.partition(":")
        optimizer = self._runnable(name)
        missing = required(optimizer)
        if missing == {BASE}:
            return optimizer, self._base(name, inner or "SGD"), self.way(name)
        if missing:
            raise UserError(
                f"{self.name}:{name} needs {', '.join(sorted(missing))}, "
                "which options cannot provide"
            )
        if inner:
            raise UserError(f"{self.name}:{name} takes no other optimizer, got {text!r}")
        return optimizer, None, self.way(name)

    def _base(self, outer: str, name: str) -> type[Optimizer]:
        optimizer = self._runnable(name)
        if required(optimizer) or replace(self.way(name), extra={}) != Way():
            raise UserError(
                f"{self.name}:{outer} can only wrap an optimizer that can be made from its "
                f"signature alone, got {name!r}"
            )
        return optimizer

    def _runnable(self, name: str) -> type[Optimizer]:
        self.optimizers()  # an error if the package is missing, whatever the name
        if name in self.refused:
            raise UserError(f"{self.name}:{name} {self.refused[name]}")
        return self.optimizer(name)


def _import(name: str) -> type:
    module, _, attribute = name.rpartition(".")
    return getattr(extras.load(module), attribute)
