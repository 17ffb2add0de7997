"""Probes on disk, one file a run: `<results_root>/probes/<protocol>/s<seed>-<digest>.json`.

`nanocl.training.probe` measures what is stored here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nanocl.records import files, plain
from nanocl.records.encoding import is_intact, sealed
from nanocl.records.schema import check_probe
from nanocl.records.spec import RunSpec

SCHEMA = "nanocl-probe/2"
OLDER_SCHEMA = "nanocl-probe/1"


def folder(results_root: Path) -> Path:
    """The folder of probes in a results folder."""
    return Path(results_root) / "probes"


def path_of(spec: RunSpec, probes: Path) -> Path:
    """The path of the probe of a run in the folder of probes."""
    return probes / spec.protocol / f"s{spec.seed}-{spec.digest}.json"


def write(
    spec: RunSpec,
    looks: Sequence[Mapping[str, Any]],
    changes: Sequence[Mapping[str, Any]],
    probes: Path,
) -> Path:
    """Write the probe of a run, whole or not at all.

    Args:
        spec: The run.
        looks: For each measured step: `experience`, `step` and `layers`.
        changes: For each experience: `experience`, `steps` and `layers`.
        probes: The folder of probes.
    """
    entry = {
        "schema": SCHEMA,
        "digest": spec.digest,
        "spec": asdict(spec),
        "looks": list(looks),
        "changes": list(changes),
    }
    return files.write(path_of(spec, probes), to_text(entry))


def to_text(entry: Mapping[str, Any]) -> str:
    """The JSON text of a probe, with its checksum."""
    return plain.compact(sealed(entry)) + "\n"


def read(path: Path) -> Mapping[str, Any] | None:
    """A probe, or None if it is damaged or holds no look."""
    try:
        entry = plain.read(path)
        same = RunSpec.from_dict(entry["spec"]).digest == entry["digest"]
        check_probe(entry)
        return entry if same and is_intact(entry) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def read_all(results_root: Path) -> Iterator[Mapping[str, Any]]:
    """The usable probes of a results folder, in the order of their paths."""
    for path in sorted(folder(results_root).glob("*/s*.json")):
        entry = read(path)
        if entry is not None:
            yield entry
