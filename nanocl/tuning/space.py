"""The values that are tried: a logarithmic grid over the options that strategies declare."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy

from nanocl.plugins.catalogue import Catalogue
from nanocl.records import UserError

FIRST, OTHERS = 6, 4  # values of the optimizer's option, and of those of other parts
BEYOND = 2  # values by which a grid grows where its best one is at an edge
RATE = "lr"
NONE: Mapping[str, Collection[str]] = {}

Setting = tuple[tuple[str, str, float], ...]  # (part, option, value) in the order of the axes


class NothingToTune(UserError):
    """No option of a composition is left to tune."""


@dataclass(frozen=True)
class Axis:
    """One option and its values, smallest first.

    Attributes:
        part: Name of the strategy.
        option: Name of the option.
        values: At least 2, at equal ratios.
    """

    part: str
    option: str
    values: tuple[float, ...]

    def grown(self, end: Literal["low", "high"]) -> Axis:
        """The axis with `BEYOND` more values at one end, at the ratio of the others."""
        first, last = self.values[0], self.values[-1]
        ratio = (last / first) ** (1 / (len(self.values) - 1))
        steps = range(1, BEYOND + 1)
        if end == "low":
            more = [rounded(first / ratio**step) for step in reversed(steps)]
            return replace(self, values=(*more, *self.values))
        return replace(self, values=(*self.values, *(rounded(last * ratio**n) for n in steps)))


def axes(
    names: Sequence[str], catalogue: Catalogue, given: Mapping[str, Collection[str]] = NONE
) -> list[Axis]:
    """The options to tune of a composition: the optimizer's first, then those of other parts.

    An optimizer that declares none, such as one of another library, is tuned by its learning rate,
    from a tenth of its default to 32 times as much.

    Args:
        names: Its strategies.
        catalogue: All plugins.
        given: Options of each strategy that the protocol or the caller gives; they stay as given.

    Raises:
        NothingToTune: Nothing is declared, or all of it is given.
        UserError: There are more than two options.
    """
    found: list[Axis] = []
    for name in sorted(names, key=lambda name: not _brings_optimizer(name, catalogue)):
        space = catalogue.plugin("strategies", name).search_space or _around(name, catalogue)
        for option, (low, high) in space.items():
            if option in given.get(name, ()):
                continue
            count = OTHERS if found else FIRST
            values = tuple(map(rounded, numpy.geomspace(low, high, count)))
            found.append(Axis(name, option, values))
    if not found:
        raise NothingToTune(
            f"{'+'.join(names)} has nothing to tune: its strategies declare no search_space, such "
            'as search_space = {"lr": (1e-4, 1e-1)}, or protocol and call give these options'
        )
    if len(found) > 2:
        options = ", ".join(f"{axis.part}.{axis.option}" for axis in found)
        raise UserError(f"{'+'.join(names)} has more than two options to tune: {options}")
    return found


def grid(tuned: Sequence[Axis]) -> list[Setting]:
    """Every combination of the values."""
    columns = [itertools.product([axis.part], [axis.option], axis.values) for axis in tuned]
    return list(itertools.product(*columns))


def edges(setting: Setting, tuned: Sequence[Axis]) -> list[tuple[int, Literal["low", "high"]]]:
    """The axes at whose ends the setting lies, by their place."""
    ends: list[tuple[int, Literal["low", "high"]]] = []
    for place, (axis, (_, _, value)) in enumerate(zip(tuned, setting, strict=True)):
        if value == axis.values[0]:
            ends.append((place, "low"))
        elif value == axis.values[-1]:
            ends.append((place, "high"))
    return ends


def text(setting: Setting) -> str:
    """As on the command line: `ewc.strength=100 sgd.lr=0.01`."""
    return " ".join(f"{part}.{option}={value:g}" for part, option, value in setting)


def _brings_optimizer(name: str, catalogue: Catalogue) -> bool:
    return catalogue.plugin("strategies", name).brings_optimizer


def _around(name: str, catalogue: Catalogue) -> dict[str, tuple[float, float]]:
    """A range around the default of the learning rate, if there is one."""
    default = catalogue.complete("strategies", name, {}).options.get(RATE)
    if isinstance(default, float) and default > 0:
        return {RATE: (default / 10, default * 10**1.5)}
    return {}


def rounded(value: float) -> float:
    """Two significant digits: readable, and equal on every machine."""
    return float(f"{value:.2g}")
