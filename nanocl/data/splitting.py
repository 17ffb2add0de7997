"""Rows held out of each class; also as the test data of a data set that has none of its own.

That is asked for in the name of the data set: `flowers:test=0.2`, or `flowers:test=0.2:seed=3` for
another draw than that of seed 0. The seed of a run does not change it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from nanocl.records import UserError

Sample = TypeVar("Sample")
_FORM = re.compile(r"(?P<name>[^:]+):test=(?P<share>0?\.\d+)(:seed=(?P<seed>\d{1,9}))?")
_STATED = re.compile(r":test=0?\.(?P<digits>\d*[1-9])0*(:seed=0*(?P<seed>\d+))?(?![\d:])")
HINT = "name it {name}:test=0.2 to hold out a fifth of each class for tests"


@dataclass(frozen=True)
class Request:
    """Which part of a data set becomes its test data.

    Attributes:
        share: Of each class, in (0, 1).
        seed: Of the draw.
    """

    share: float
    seed: int = 0

    def divided(
        self, samples: Sequence[Sample], labels: Sequence[str], where: str
    ) -> dict[str, list[Sample]]:
        """The samples of `train` and of `test` in their order; both have every class.

        Raises:
            UserError: A class has one sample.
        """
        classes, counts = np.unique(np.array(labels), return_counts=True)
        if not len(classes) or counts.min() < 2:
            few = f"class {classes[counts.argmin()]} has one" if len(classes) else "it has none"
            raise UserError(f"{where}: a split needs at least 2 samples of each class, {few}")
        train, test = draw(np.array(labels), 0, self.share, seed=(self.seed,))
        return {
            "train": [samples[row] for row in train],
            "test": [samples[row] for row in test],
        }


def parsed(name: str) -> tuple[str, Request | None]:
    """The name of the files, and the split that is asked for; None without one.

    Raises:
        UserError: What follows the colon has another form.
    """
    if ":" not in name:
        return name, None
    match = _FORM.fullmatch(name)
    share = float(match["share"]) if match else 0.0
    if match is None or not 0 < share < 1:
        raise UserError(
            "a data set that is to be split has the form NAME:test=0.2 or NAME:test=0.2:seed=3, "
            f"with a share between 0 and 1, got {name!r}"
        )
    return match["name"], Request(share, int(match["seed"] or 0))


def normalised(names: str) -> str:
    """Names of data sets with each split in one form: `:test=.20:seed=0` is `:test=0.2`.

    A run has one digest however its split is written. What has another form stays as it is.
    """

    def one_form(match: re.Match[str]) -> str:
        seed = int(match["seed"] or 0)
        return f":test=0.{match['digits']}" + (f":seed={seed}" if seed else "")

    return _STATED.sub(one_form, names)


def draw(
    labels: np.ndarray,
    most: int,
    held_out: float,
    *,
    seed: tuple[int, ...],
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the rows to use and the rows to hold out.

    Args:
        labels: Class of each row.
        most: Largest number of rows per class, before the split; 0 for all.
        held_out: Share of each class to hold out, in [0, 1); above 0, at least one row, never all.
        seed: Seed of the draw.

    Returns:
        Row numbers to use and to hold out, each ascending.

    Raises:
        ValueError: A class has too few rows to hold one out.
    """
    generator = np.random.default_rng(seed)
    used = []
    held = []
    for label in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == label))[: most or None]
        if held_out and len(rows) < 2:
            raise ValueError(
                "validation must hold out some samples of each class and leave some to train on, "
                f"got {held_out} of {len(rows)} samples of class {label}"
            )
        cut = min(max(1, round(held_out * len(rows))), len(rows) - 1) if held_out else 0
        held.append(rows[:cut])
        used.append(rows[cut:])
    return np.sort(np.concatenate(used)), np.sort(np.concatenate(held))
