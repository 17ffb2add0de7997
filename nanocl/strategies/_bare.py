"""A bare class as a strategy: an optimizer of torch's kind, or a plain plugin of Avalanche.

Neither has the form of `Strategy`. The options are read from the signature of the class.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
import re
from collections.abc import Iterator

import torch
from avalanche.training.plugins import SupervisedPlugin
from torch.optim import Optimizer

from nanocl.libraries.library import Library, Way
from nanocl.libraries.signature import Options, arguments_of, signature_options
from nanocl.records import Option, UserError
from nanocl.strategies import Strategy

NEEDED = {"GEMPlugin": "quadprog"}  # packages that Avalanche does not install


def options_of(cls: type, name: str) -> Options:
    """Option to (types, default); one without a default has None, and must be set.

    Raises:
        UserError: The class is neither optimizer nor plugin, or needs something else.
    """
    if issubclass(cls, Optimizer):
        return _library(cls, name).options_of(cls.__name__)
    if not issubclass(cls, SupervisedPlugin):
        raise UserError(
            f"{name} must be a torch.optim.Optimizer, a SupervisedPlugin of Avalanche or a "
            f"nanocl.strategies.Strategy, got {cls.__name__} derived from "
            f"{', '.join(base.__name__ for base in cls.__bases__)}"
        )
    package = NEEDED.get(cls.__name__, "")
    if package and importlib.util.find_spec(package) is None:
        raise UserError(
            f"{name} needs the package {package}; install it with: pip install {package}"
        )
    required = {one.name: (("None", *_plain_types(one, name)), None) for one in _required(cls)}
    return {**required, **signature_options(cls)}


def make(cls: type, name: str, options: dict[str, Option]) -> SupervisedPlugin:
    """The plugin, or a strategy that brings the optimizer.

    Raises:
        UserError: An option without a default is not given.
        ValueError: The class rejects a value.
    """
    if issubclass(cls, Optimizer):
        return Bare(_library(cls, name), cls.__name__, options)
    for one in _required(cls):
        if options[one.name] is None:
            raise UserError(
                f"{name} needs {one.name}, which has no default: give it with --set "
                f"{name}.{one.name}=VALUE"
            )
    plugin: SupervisedPlugin = cls(**arguments_of(cls, options))
    return plugin


class Bare(Strategy):
    """A learner whose optimizer is of a class that is no part of a library.

    Args:
        library: The library of this one class.
        class_name: Its name there.
        options: Options by name.
    """

    def __init__(self, library: Library, class_name: str, options: dict[str, Option]) -> None:
        super().__init__()
        completed = library.complete(class_name, options)
        self._build = lambda model: library.build(class_name, completed, model)

    def make_optimizer(self, model: torch.nn.Module) -> Optimizer:
        return self._build(model)


@dataclasses.dataclass(frozen=True)
class _OneClass(Library):
    """A library of one class, which was imported already."""

    only: type[Optimizer] = Optimizer

    def optimizers(self) -> dict[str, type[Optimizer]]:
        return {self.only.__name__: self.only}


def _library(cls: type[Optimizer], name: str) -> Library:
    closure = inspect.signature(cls.step).parameters.get("closure")
    needs_closure = closure is not None and closure.default is closure.empty
    own = name.partition(":")[0]
    return _OneClass(
        name=own,
        module=cls.__module__,
        package=own,
        usual=Way(needs_closure=needs_closure),
        only=cls,
    )


def _required(cls: type) -> Iterator[inspect.Parameter]:
    for one in inspect.signature(cls).parameters.values():
        if one.default is one.empty and one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL):
            yield one


def _plain_types(argument: inspect.Parameter, name: str) -> tuple[str, ...]:
    """The plain type of an argument without default; any where its signature says nothing."""
    if argument.annotation is argument.empty:
        return ("int", "float", "bool", "str")
    named = re.search(r"\b(bool|int|float|str)\b", str(argument.annotation))
    if named is None:
        raise UserError(
            f"{name}: the argument {argument.name!r} has no default and no plain type, so no "
            "option can give it: give it a default, or change the base to "
            "nanocl.strategies.Strategy with keyword-only options"
        )
    return (named[1],)
