"""Results folders of several machines, merged into one: `python -m nanocl.report merge`."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nanocl.records import RunSpec, UserError, damage, files, measuring, places, plain, store
from nanocl.records.encoding import from_record
from nanocl.records.reservations import Reservations
from nanocl.records.store import Problem

# what may differ where the numbers are equal; every other field is a measurement
CIRCUMSTANCES = ("checksum", "cost", "environment", "spec", "data", "experiences", "weights")
ELSEWHERE = "another call measures this run in the destination; merge again when it has ended"


@dataclass
class Merge:
    """What a merge did.

    Attributes:
        copied: Files that are new in the destination.
        equal: How many files were there already, with the same content.
        kept: A line for each file of which another with equal numbers was kept.
        refused: Files that were not copied, and why.
        empty: A line for each folder without records, as of a shard without runs.
        others: How many files of the folders are no records: pages, figures, checkpoints.
    """

    copied: list[Path] = field(default_factory=list)
    equal: int = 0
    kept: list[str] = field(default_factory=list)
    refused: list[Problem] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    others: int = 0


def merge(folders: Sequence[Path], results_root: Path) -> Merge:
    """Copy every record, probe and record of a study into one results folder.

    A record takes the place of another only if it has the same numbers and more of them: tests of
    more experiences (`--evaluate`), or tests within experiences (`--track-every`).

    Raises:
        UserError: A folder does not exist, is the destination or is no results folder but above
            or below one, no folder has records, the destination has a damaged file where one is to
            be copied or cannot be written, or two files have different numbers of one run. Nothing
            is copied then.
    """
    _check_folders(folders, results_root)
    done = Merge()
    chosen: dict[Path, Path] = {}  # relative path to the file that the destination will have
    conflicts: list[str] = []
    for folder, path in _records(folders, done):
        relative = path.relative_to(folder)
        first = chosen.get(relative) or _present(relative, results_root)
        differ = _different_numbers(first, path) if first else []
        if differ:
            conflicts.append(
                f"{first} and {path} differ in {', '.join(differ)}; delete one of them"
            )
            continue
        chosen[relative] = _choice(first, path, done) if first else path
    if conflicts:
        raise UserError("nothing was merged:\n" + "\n".join(conflicts))
    _copy(chosen, results_root, done)
    return done


def _check_folders(folders: Sequence[Path], results_root: Path) -> None:
    if not folders:
        raise UserError("merge takes results folders: merge FOLDER... --results DESTINATION")
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"the results folder {str(folder)!r} does not exist")
        if folder.resolve() == results_root.resolve():
            raise UserError(f"{str(folder)!r} cannot be merged into itself; name another --results")
        meant = [] if places.has_records(folder) else places.meant(folder)
        if meant:
            raise UserError(
                f"{str(folder)!r} is no results folder; name the results folders: "
                + " ".join(shlex.quote(str(path)) for path in meant)
            )
    if not any(map(places.has_records, folders)):
        names = ", ".join(repr(str(folder)) for folder in folders)
        raise UserError(
            f"there is no record in {names}, nor above or below: looked for "
            f"{', '.join(places.PLACES)}; name the folders that run --results wrote"
        )


def _records(folders: Sequence[Path], done: Merge) -> Iterator[tuple[Path, Path]]:
    """The verified files of the folders, each after its folder."""
    for folder in dict.fromkeys(folders):
        paths = [path for place in places.PLACES for path in sorted(folder.glob(place))]
        if not paths:
            done.empty.append(f"{folder} has no records")
        done.others += sum(path.is_file() for path in folder.rglob("*")) - len(paths)
        for path in paths:
            try:
                _verify(path, folder)
            except (ValueError, OSError) as error:
                done.refused.append(Problem(path, store.one_line(error)))
            else:
                yield folder, path


def _verify(path: Path, results_root: Path) -> None:
    """Raise a ValueError or OSError that says what is wrong with a file."""
    if _is_run(path.relative_to(results_root)):
        store.load(path, results_root)
        return
    problem = damage.reason(path)
    if problem:
        raise ValueError(problem)


def _is_run(relative: Path) -> bool:
    return relative.parts[0] == "runs"


def _present(relative: Path, results_root: Path) -> Path | None:
    """The verified file of the destination; None if there is none."""
    path = results_root / relative
    if not path.exists():
        return None
    try:
        _verify(path, results_root)
    except (ValueError, OSError) as error:
        raise UserError(
            f"nothing was merged: {Problem(path, store.one_line(error))}; repair or delete it"
        ) from error
    return path


def _different_numbers(first: Path, second: Path) -> list[str]:
    """The fields in which two files of one run have different numbers."""
    ours, theirs = plain.read(first), plain.read(second)
    sparse = ours.get("evaluate") != theirs.get("evaluate")
    tracking = ours.get("tracking", {}), theirs.get("tracking", {})
    ignored = [*CIRCUMSTANCES, "evaluate"]
    if tracking[0].get("every") != tracking[1].get("every"):
        ignored.append("tracking")
    return sorted(
        name
        for name in {*ours, *theirs} - set(ignored)
        if not _agree(ours.get(name), theirs.get(name), sparse=sparse)
    )


def _agree(ours: Any, theirs: Any, *, sparse: bool) -> bool:
    """Whether values are equal; in sparse ones, None stands for what was not measured."""
    if sparse and None in (ours, theirs):
        return True
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(
            _agree(ours[name], theirs[name], sparse=sparse) for name in ours
        )
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(
            _agree(one, other, sparse=sparse) for one, other in zip(ours, theirs, strict=True)
        )
    return bool(ours == theirs)


def _choice(first: Path, second: Path, done: Merge) -> Path:
    """Of two files with equal numbers the one with more of them, else the first."""
    ours, theirs = plain.read(first), plain.read(second)
    if ours == theirs:
        done.equal += 1
        return first
    if "evaluation" in ours:
        one, other = measuring.of(from_record(ours)), measuring.of(from_record(theirs))
        count = len(ours["initial"])
        if other.covers(one, count) and not one.covers(other, count):
            done.kept.append(f"kept {second}; {first} has the same numbers, but fewer")
            return second
        if not one.covers(other, count):
            done.kept.append(
                f"kept {first}; {second} has tests that it lacks ({_words(other)}), which are not "
                "merged"
            )
            return first
    names = sorted(name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name))
    names.remove("checksum")
    done.kept.append(f"kept {first}; {second} has equal numbers and other {', '.join(names)}")
    return first


def _words(tests: measuring.Measuring) -> str:
    """The options of a call that measures the same."""
    tracking = f" --track-every {tests.track_every}" if tests.track_every else ""
    return f"--evaluate {tests.evaluate}{tracking}"


def _copy(chosen: Mapping[Path, Path], results_root: Path, done: Merge) -> None:
    """Write the files; a run that another call measures in the destination is left to it."""
    reservations = Reservations(results_root / ".part", lambda spec: False)
    try:
        for relative, path in chosen.items():
            destination = results_root / relative
            if path == destination:
                continue
            spec = _spec(path) if _is_run(relative) else None
            if spec and reservations.take(spec) != "taken":
                done.refused.append(Problem(path, ELSEWHERE))
                continue
            # compared again now that no other call writes there
            if destination.exists() and not _is_better(path, destination):
                done.refused.append(Problem(path, f"{destination} was written meanwhile"))
                continue
            done.copied.append(files.write(destination, files.read(path, plain.READ_LIMIT)))
            if spec:
                reservations.release(spec)
    except OSError as error:
        raise store.unwritable(results_root, error) from error
    finally:
        reservations.release_all()


def _is_better(path: Path, present: Path) -> bool:
    """Whether a file may take the place of another, as in `merge`."""
    return not _different_numbers(present, path) and _choice(present, path, Merge()) == path


def _spec(path: Path) -> RunSpec:
    spec: Mapping[str, Any] = plain.read(path)["spec"]
    return RunSpec.from_dict(spec)
