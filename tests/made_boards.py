"""Results folders with a board of made records, and ways to change them."""

from __future__ import annotations

import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

from making import a_result, a_spec, shifted

from nanocl.boards import archive, manifest, reading, releasing
from nanocl.boards.released import Released
from nanocl.records import store
from nanocl.records.encoding import sealed, to_record, to_text
from nanocl.reporting.summaries import summarise

NAME = "split-digits-cpu-class"
LEARNERS = {"sgd": 0.0, "adam": 0.04, "adamw": 0.08}
SEEDS = 6


def fill(root: Path, *, seeds: range = range(SEEDS), **of_spec: Any) -> Path:
    """Three learners with different scores that vary a little from seed to seed."""
    for learner, better in LEARNERS.items():
        for seed in seeds:
            by = better + (seed * 7 + len(learner)) % 5 / 1000
            store.save(a_result(a_spec(learner, seed, **of_spec), shifted(by - 0.09)), root)
    return root


def released(root: Path, **values: str) -> Released:
    """The newest version after a release."""
    return releasing.release(NAME, root, **values).released


def record(root: Path, learner: str = "adam", seed: int = 0) -> Path:
    """The file of a record."""
    return next((root / "runs" / "split-digits" / learner).glob(f"s{seed}-*.json"))


def change(path: Path, **values: Any) -> None:
    """Change keys of a record and seal it again, as a forger would."""
    path.write_text(to_text(sealed({**json.loads(path.read_text()), **values})))


def edit(version: Released, /, **values: Any) -> None:
    """Edit the manifest, and the identity with it, as a forger would."""
    edited = {**version.manifest(), **values}
    (version.folder / "manifest.json").write_text(manifest.text_of(edited))
    path = version.folder / reading.RELEASE
    identity = {**json.loads(path.read_text()), "identity": manifest.identity_of(edited)}
    path.write_text(json.dumps(identity, indent=1, sort_keys=True) + "\n")


def repack(version: Released, change: Callable[[list[Any]], list[Any]]) -> None:
    """Replace the version's own records by those that `change` returns."""
    records = [to_record(run) for run in archive.results(version.folder)]
    text = "".join(json.dumps(record) + "\n" for record in change(records))
    (version.folder / archive.FILE).write_bytes(lzma.compress(text.encode()))


def other_numbers(records: list[Any]) -> list[Any]:
    """The first record has other numbers and the right checksum."""
    first, *others = records
    return [sealed({**first, "initial": [0.3, 0.3, 0.3]}), *others]


def forge(version: Released, /, **values: Any) -> None:
    """Edit the manifest with everything that is computed from it."""
    edit(version, **values)
    given = version.manifest()
    rows = summarise(archive.results(version.folder))
    publication = reading.written_publication(version)
    for name, text in releasing.texts(given, rows, publication, {}).items():
        (version.folder / name).write_text(text)
