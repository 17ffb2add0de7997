"""Which records each figure shows; needs no matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nanocl.studies.teacher_student.settings import label
from nanocl.studies.teacher_student.storage import Record

_NEURONS = {
    "the paper's setting": "neurons-one-new",
    "extra neurons 2, mask share 20 %": "neurons-two-new",
    "refresh every 100 steps": "neurons-one-new-refresh-100",
}


@dataclass(frozen=True)
class Pictured:
    """The records of each figure; a figure without enough records is left out.

    Attributes:
        neurons: Name of a figure of neurons to its setting.
        theorem: Conditions of the theorem.
        angles: Settings with different angles between an old and the new teacher neuron.
        comparable: Settings with one new neuron and shared heads.
    """

    neurons: Mapping[str, Record]
    theorem: Sequence[Record]
    angles: Sequence[Record]
    comparable: Sequence[Record]

    def names(self) -> list[str]:
        """The names of the figures, without extension."""
        names = list(self.neurons)
        if self.theorem:
            names.append("distance-against-epsilon")
        if len(self.angles) > 1:
            names.append("forgetting-against-similarity")
        if len(self.comparable) > 1:
            names.append("forgetting-against-learning")
        return names


def pictured(settings: Sequence[Record], conditions: Sequence[Record]) -> Pictured:
    """Sort the records by figure."""
    neurons = {}
    angles = []
    comparable = []
    for entry in settings:
        setting = entry["setting"]
        if label(setting) in _NEURONS:
            neurons[_NEURONS[label(setting)]] = entry
        if setting["angle"] is not None:
            angles.append(entry)
        elif setting["extra"] == 1 and setting["heads"] == "shared":
            comparable.append(entry)
    return Pictured(neurons, conditions, angles, comparable)
