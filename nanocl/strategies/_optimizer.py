"""Strategies whose options are those of their optimizer: checks and parameter groups."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from nanocl.optim.groups import DENSE, layer_groups
from nanocl.plugins.signature import numbered
from nanocl.records import Option
from nanocl.records.ranges import number, one_of


def checked(
    optimizer: type[Optimizer], options: dict[str, Option], *, may_freeze: bool = False
) -> dict[str, Any]:
    """The optimizer's keyword arguments, its defaults filled in, checked before a model exists.

    Args:
        optimizer: A class of `nanocl.optim`.
        options: Options by name, as a strategy takes them: `beta1`, `beta2` for `betas`.
        may_freeze: Whether a learning rate of 0 makes sense, since other layers have their own.

    Raises:
        TypeError: The optimizer has no such option.
        ValueError: A value is out of its range.
    """
    options = dict(options)
    arguments: dict[str, Any] = {}
    for argument in inspect.signature(optimizer).parameters.values():
        if isinstance(argument.default, tuple):
            names = numbered(argument.name, len(argument.default))
            entries = zip(names, argument.default, strict=True)
            arguments[argument.name] = tuple(options.pop(name, entry) for name, entry in entries)
        elif argument.default is not argument.empty:
            arguments[argument.name] = options.pop(argument.name, argument.default)
    if options:
        raise TypeError(f"{optimizer.__name__} has no option {next(iter(options))!r}")
    number("lr", arguments["lr"], 0, above=not may_freeze)
    optimizer([torch.zeros(1)], **arguments)
    return arguments


class Sparse:
    """A sparse optimizer whose normalisation and output layers are trained densely.

    Args:
        optimizer: A class of `nanocl.optim`.
        dense_lr: Learning rate of the dense layers; None is `lr`.
        dense: Which layers are dense: `norms+head`, `norms`, `head` or `none`.
        options: Options of the optimizer.
    """

    def __init__(
        self,
        optimizer: type[Optimizer],
        dense_lr: float | None,
        dense: str,
        options: dict[str, Option],
    ) -> None:
        self.optimizer = optimizer
        self.arguments = checked(optimizer, options, may_freeze=bool(dense_lr))
        self.dense = one_of("dense", dense, DENSE)
        self.dense_lr = number(
            "dense_lr", self.arguments["lr"] if dense_lr is None else dense_lr, 0
        )

    def make(self, model: nn.Module) -> Optimizer:
        """The optimizer on a model's parameters."""
        groups = layer_groups(model, self.dense, {"density": 1.0, "lr": self.dense_lr})
        return self.optimizer(groups, **self.arguments)
