"""What every library of optimizers has in common: options from a signature, one sentence for what cannot run here."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from nanocl.libraries.signature import Given, Options, arguments_of, required, signature_options
from nanocl.records import Option, UserError
from nanocl.records.ranges import did_you_mean

Make = Callable[[type[Optimizer], nn.Module, dict[str, Any], dict[str, Any]], Optimizer]
BASE = "base_optimizer"  # the argument of an optimizer that wraps another


def plain(
    optimizer: type[Optimizer], model: nn.Module, arguments: dict[str, Any], extra: dict[str, Any]
) -> Optimizer:
    """The optimizer on all parameters in one group."""
    return optimizer(model.parameters(), **arguments, **extra)


@dataclass(frozen=True)
class Way:
    """How an optimizer is built whose signature does not say enough.

    Attributes:
        make: From the class, the model, its arguments and the extra options to the optimizer.
        extra: Options beside those of the signature.
        defaults: Defaults that differ from the signature's.
        without: Options of the signature that do nothing, or not what they are called.
        needs_closure: Whether its step repeats the pass over the mini-batch.
        check: Raises ValueError for options that the library would misread without a word.
        holds: Classes, by dotted name, of which it keeps instances in its state: plain holders of
            values, which a checkpoint may therefore be read with.
    """

    make: Make = plain
    extra: Options = field(default_factory=dict)
    defaults: Given = field(default_factory=dict)
    without: frozenset[str] = frozenset()
    needs_closure: bool = False
    check: Callable[[Given], None] = lambda options: None
    holds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Library:
    """A package of optimizers.

    Attributes:
        name: Its name on the command line.
        module: The module whose public optimizers it stands for.
        package: What pip calls it; also the extra of nanocl that installs it.
        usual: How an optimizer is built that `ways` does not name.
        ways: Optimizers that are not built from their signature alone.
        refused: Optimizers that cannot run here or are not what they are called, with the reason.
    """

    name: str
    module: str
    package: str
    usual: Way = field(default_factory=Way)
    ways: Mapping[str, Way] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)

    def options_of(self, text: str) -> Options:
        """Every option of an optimizer, `Lion` or, for one that wraps another, `SAM:Lion`.

        Raises:
            UserError: The library is missing, has no such optimizer, or it cannot run here.
        """
        optimizer, base, way = self._find(text)
        options = {
            **(signature_options(base) if base else {}),
            **signature_options(optimizer),
            **way.extra,
        }
        options |= {name: (options[name][0], value) for name, value in way.defaults.items()}
        return {name: option for name, option in options.items() if name not in way.without}

    def build(self, text: str, options: Given, model: nn.Module) -> Optimizer:
        """The optimizer on a model's parameters, frozen ones too, so that Avalanche finds each and adds none.

        It starts afresh when Avalanche empties its state, and has an attribute `needs_closure` for
        the learner.
        """
        optimizer = self._make(text, options, model)
        _follow(optimizer, lambda: self._make(text, options, model))
        return optimizer

    def complete(self, text: str, given: Given) -> dict[str, Option]:
        """The options with every default filled in, after the library has looked at them; no random number is drawn.

        Raises:
            ValueError: An option that the optimizer has not, or what the library says of a value.
        """
        known = self.options_of(text)
        for option in set(given) - set(known):
            raise UserError(
                f"{self.name}:{text} has no option {option!r}{did_you_mean(option, known)}"
            )
        options = {name: given.get(name, default) for name, (_, default) in known.items()}
        self._find(text)[2].check(options)
        with torch.random.fork_rng(devices=[]):
            try:
                self._make(text, options, nn.Sequential(*(nn.Linear(2, 2) for _ in range(3))))
            except ValueError:
                raise
            except Exception as error:  # each library has exceptions of its own
                raise ValueError(f"{self.name}:{text}: {error}") from error
        return options

    def _make(self, text: str, options: Given, model: nn.Module) -> Optimizer:
        optimizer, base, way = self._find(text)
        arguments = {
            **(arguments_of(base, options) if base else {}),
            **arguments_of(optimizer, options),
        }
        if base:
            arguments[BASE] = base
        torch.serialization.add_safe_globals([_import(name) for name in way.holds])
        made = way.make(optimizer, model, arguments, {name: options[name] for name in way.extra})
        made.needs_closure = way.needs_closure or base is not None
        return made

    def _find(self, text: str) -> tuple[type[Optimizer], type[Optimizer] | None, Way]:
        name, _, inner = text.partition(":")
        optimizer, way = self._class(name), self.ways.get(name, self.usual)
        missing = required(optimizer)
        if missing == {BASE}:
            return optimizer, self._base(name, inner or "SGD"), way
        if missing:
            raise UserError(
                f"{self.name}:{name} needs {', '.join(sorted(missing))}, which no option can give"
            )
        if inner:
            raise UserError(f"{self.name}:{name} takes no other optimizer, got {text!r}")
        return optimizer, None, way

    def _base(self, outer: str, name: str) -> type[Optimizer]:
        optimizer, way = self._class(name), self.ways.get(name, self.usual)
        if required(optimizer) or replace(way, extra={}) != Way():
            raise UserError(
                f"{self.name}:{outer} can wrap an optimizer that its signature describes, got {name!r}"
            )
        return optimizer

    def _class(self, name: str) -> type[Optimizer]:
        known = self._classes()
        if name in self.refused:
            raise UserError(f"{self.name}:{name} {self.refused[name]}")
        if name not in known:
            near = [n for n in known if n.lower() == name.lower()]
            hint = f"; did you mean {near[0]!r}?" if near else did_you_mean(name, known)
            raise UserError(f"{self.name} has no optimizer {name!r}{hint}")
        return known[name]

    def _classes(self) -> dict[str, type[Optimizer]]:
        try:
            module = importlib.import_module(self.module)
        except ImportError as error:
            raise UserError(
                f"{self.name}: its optimizers need the package {self.package}; install it with: "
                f"pip install 'nanocl[{self.package}]' ({error})"
            ) from error
        public = {name: value for name, value in vars(module).items() if not name.startswith("_")}
        return {
            name: value
            for name, value in sorted(public.items())
            if isinstance(value, type) and issubclass(value, Optimizer) and value is not Optimizer
        }


def _follow(optimizer: Optimizer, make: Callable[[], Optimizer]) -> None:
    """Let an optimizer whose state was emptied from outside go back to its beginning before its next step.

    Avalanche puts a new mapping in the place of `optimizer.state`, at its first call and at each
    experience that resets the optimizer. Libraries count steps in the parameter group, keep
    schedules on the instance or share the state with an inner optimizer: moments at zero would meet
    the bias correction of a late step. Hooks and learning rates stay.
    """
    held = optimizer.state

    def loaded(optimizer: Optimizer) -> None:
        nonlocal held
        held = optimizer.state

    def look(optimizer: Optimizer, *_: Any) -> None:
        nonlocal held
        if optimizer.state is not held and not any(
            optimizer.state.values()
        ):  # new parameters have an empty entry
            _renew(optimizer, make())
        held = optimizer.state

    optimizer.register_load_state_dict_post_hook(loaded)
    optimizer.register_step_pre_hook(look)


def _renew(optimizer: Optimizer, fresh: Optimizer) -> None:
    rates = [group.get("lr") for group in optimizer.param_groups]
    vars(optimizer).update(
        {name: value for name, value in vars(fresh).items() if "hook" not in name}
    )
    for group, rate in zip(optimizer.param_groups, rates, strict=False):
        if rate is not None:
            group["lr"] = rate


def _import(name: str) -> type:
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)
