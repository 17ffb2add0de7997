"""Finds files of a results folder that are not what was written, beside the records of runs."""

from __future__ import annotations

from pathlib import Path

from nanocl.records import plain, trainings
from nanocl.records.encoding import is_intact
from nanocl.records.schema import check_probe
from nanocl.records.store import Problem, one_line

PLACES = ("probes/**/*.json", "studies/*/*.json")


def find(results_root: Path) -> list[Problem]:
    """Probes and records of studies that cannot be read, misfit or lack their checksum."""
    problems = []
    for place in PLACES:
        for path in sorted(Path(results_root).glob(place)):
            problem = reason(path)
            if problem:
                problems.append(Problem(path, problem))
    return problems


def reason(path: Path) -> str:
    """What is wrong with a probe or a record of a study; empty if nothing is."""
    try:
        entry = plain.read(path)
        if "checksum" not in entry:
            return "it has no checksum; an older format? python -m nanocl.report migrate"
        if not is_intact(entry):
            return "its content does not have its checksum"
        if path.parent.parent.name == "probes":
            check_probe(entry)
        if path.parent.name == trainings.FOLDER.name:
            trainings.load(path)
        return ""
    except OSError as error:
        return error.strerror or str(error)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return one_line(error)
