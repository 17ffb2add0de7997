"""The settings at which two arms are compared, and what a reader must know of them.

Most arms with a head rate of their own may leave the backbone at rate 0. Such a reading is that of
training head and norms alone: it says nothing about how the arm trains a backbone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nanocl.studies.finetune.points import Point, Seeds

Chosen = tuple[Point | None, Point | None]


@dataclass(frozen=True)
class Readings:
    """The compared settings of two arms.

    Attributes:
        names: Of the arms.
        arms: All their points.
        chosen: Seed to the pairs of settings that are compared in it.
        is_best: Whether they are those that learn the new task best.
    """

    names: tuple[str, str]
    arms: tuple[Seeds, Seeds]
    chosen: Mapping[int, Sequence[Chosen]]
    is_best: bool = False

    @property
    def idle(self) -> str:
        """The arms that never train the backbone, so that the comparison is not one of them."""
        never = [
            f"{name} leaves the backbone at rate 0 in every seed"
            for place, name in enumerate(self.names)
            if self.chosen and len(self._resting(place)) == len(self.chosen)
        ]
        return ", ".join(never)

    @property
    def note(self) -> str:
        """In how many seeds an arm rests the backbone, or is read at another end of its grid."""
        first, second = self._resting(0), self._resting(1)
        resting = _counts(self.names, (first, second))
        if first & second:
            resting += f", both in {len(first & second)}"
        lowest = _counts(self.names, (self._lowest_head(0), self._lowest_head(1)))
        notes = []
        if resting:
            notes.append(f"backbone at rate 0: {resting}")
        if lowest:
            notes.append(f"lowest head rate: {lowest}")
        largest = _counts(self.names, (self._largest(0), self._largest(1)))
        if self.is_best and largest:
            notes.append(f"largest rate: {largest}")
        return "; ".join(notes)

    def _resting(self, place: int) -> set[int]:
        """The seeds in which every setting of an arm that trains a backbone leaves it at rate 0."""
        if not any(point.lr > 0 for point in self._grid(place)):
            return set()
        return {seed for seed in self.chosen if not any(self._rates(place, seed))}

    def _largest(self, place: int) -> set[int]:
        """The seeds in which a setting has the largest of several backbone rates."""
        rates = {point.lr for point in self._grid(place)}
        if len(rates) < 2:
            return set()
        return {seed for seed in self.chosen if max(rates) in self._rates(place, seed)}

    def _lowest_head(self, place: int) -> set[int]:
        """The seeds in which a setting has the lowest of several head rates."""
        rates = {point.dense_lr for point in self._grid(place)} - {None}
        if len(rates) < 2:
            return set()
        low = min(rate for rate in rates if rate is not None)
        return {seed for seed in self.chosen if low in self._heads(place, seed)}

    def _grid(self, place: int) -> list[Point]:
        return [point for row in self.arms[place].values() for point in row]

    def _rates(self, place: int, seed: int) -> list[float]:
        return [point.lr for point in self._of(place, seed)]

    def _heads(self, place: int, seed: int) -> list[float | None]:
        return [point.dense_lr for point in self._of(place, seed)]

    def _of(self, place: int, seed: int) -> list[Point]:
        return [point for pair in self.chosen[seed] if (point := pair[place]) is not None]


def _counts(names: Sequence[str], seeds: Sequence[set[int]]) -> str:
    """`nanoadam-free in 6 seeds, adamw-dense in 5 seeds`, without the arms that have none."""
    return ", ".join(
        f"{name} in {len(row)} seed{'s' if len(row) > 1 else ''}"
        for name, row in zip(names, seeds, strict=True)
        if row
    )
