"""Whether records are those of a version: the ones that it has itself, and the ones in `runs/`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from nanocl.boards import archive
from nanocl.records import RunResult, plain, store
from nanocl.records.encoding import to_record


def with_manifest(wanted: Mapping[str, str], given: Sequence[tuple[str, str]]) -> Iterator[str]:
    """What differs between the records of the manifest and those of the version.

    Args:
        wanted: Path to checksum, by the manifest.
        given: Path and checksum of each record of the version.
    """
    sums = dict(given)
    counts = Counter(path for path, _ in given)
    for path in sorted({*wanted, *sums}):
        if path not in sums:
            yield f"{archive.FILE}: {path} is missing or damaged, expected by the manifest"
        elif path not in wanted:
            yield f"{archive.FILE}: {path} is not in the manifest"
        elif sums[path] != wanted[path]:
            yield f"{archive.FILE}: {path} has checksum {sums[path]}, expected {wanted[path]}"
        elif counts[path] > 1:
            yield f"{archive.FILE}: {path} is there {counts[path]} times, expected once"


def replaced(results: Iterable[RunResult], results_root: Path) -> Iterator[str]:
    """Records that `runs/` does not have, or has with another content."""
    for run in results:
        path = store.path_of(run.spec, results_root)
        if not path.exists():
            yield f"{path} is missing, expected checksum {_checksum(run)}"
            continue
        try:
            now = store.load(path, results_root)
        except (OSError, ValueError) as error:
            yield f"{path}: {store.one_line(error)}; expected checksum {_checksum(run)}"
            continue
        if now != run:
            ours, theirs = to_record(run), to_record(now)
            keys = sorted({*ours, *theirs} - {"checksum"})
            differ = ", ".join(key for key in keys if ours.get(key) != theirs.get(key))
            yield (
                f"{path} was measured again: it differs in {differ}, expected checksum "
                f"{_checksum(run)}; a release makes a new version, this record is in {archive.FILE}"
            )


def doubled(results: Sequence[RunResult], results_root: Path) -> Iterator[str]:
    """Other files in `runs/` that say to be a record of this version."""
    right = {run.spec.digest: store.path_of(run.spec, results_root) for run in results}
    folder = next(iter(right.values())).parents[1]
    for path in sorted({*folder.glob("**/*.json")} - {*right.values()}):
        try:
            digest = plain.read(path)["digest"]
        except (OSError, ValueError, KeyError, TypeError):
            continue  # no record at all: the report names it
        if digest in right:
            yield f"{path} is another record of the run of {right[digest]}, expected one"


def _checksum(run: RunResult) -> str:
    return str(to_record(run)["checksum"])
