"""What `python -m nanocl.report` prints for the commands of boards, and their exit codes."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nanocl.boards import (
    citing,
    comparison,
    contributions,
    exporting,
    foreign,
    manifest,
    names,
    parquet,
    reading,
    released,
    releasing,
    rerun,
    verification,
)
from nanocl.plugins.catalogue import Catalogue
from nanocl.records import Summary, UserError, files, plain
from nanocl.reporting import citation, formats


def release(arguments: argparse.Namespace, results_root: Path) -> int:
    """Make a new version of a board; 0."""
    done = releasing.release(
        arguments.names[0],
        results_root,
        plain.printable(arguments.notes or ""),
        arguments.date or "",
        arguments.url or "",
    )
    if not done.is_new:
        print(f"{done.released} is unchanged: no new version; sha256 {done.identity}")
        return 0
    print(f"released {done.released} in {done.released.folder}")
    print(f"sha256 {done.identity}")
    untold = without_recipe(done.released.manifest())
    if untold:
        print(f"nanocl: no recipe in baselines/ fits {', '.join(untold)}", file=sys.stderr)
    if not parquet.is_installed():
        print(f"nanocl: no {parquet.FILE}: {parquet.MISSING}", file=sys.stderr)
    if not arguments.date:
        print("nanocl: without --date the citation has no year", file=sys.stderr)
    return 0


def without_recipe(given: Mapping[str, Any]) -> list[str]:
    """The tuned learners of a manifest whose recipe was not found."""
    learners = {
        entry["learner"]
        for entry in given["records"]
        if entry["options_from"] == "tuned" and entry["learner"] not in given["tuning"]
    }
    return sorted(learners)


def verify(arguments: argparse.Namespace, results_root: Path) -> int:
    """Verify versions of boards; 1 if one differs from its records."""
    chosen = [one for text in arguments.names for one in released.find(text, results_root)]
    bad = 0
    for version in dict.fromkeys(chosen):
        verdict = verification.verify(version, results_root, arguments.identity or "")
        for line in verdict.differences:
            print(plain.printable(f"{version}: {line}"), file=sys.stderr)
        for line in verdict.notes:
            print(plain.printable(f"{version}: note: {line}"), file=sys.stderr)
        if verdict.differences:
            bad += 1
            count = len(verdict.differences)
            print(f"{version} has {count} difference{'' if count == 1 else 's'}")
        else:
            print(f"{version} verified: sha256 {manifest.identity_of(version.manifest())}")
    return 1 if bad else 0


def check(arguments: argparse.Namespace, results_root: Path) -> int:
    """Check contributed records; 1 if one may not join its board."""
    findings = contributions.check([Path(name) for name in arguments.names], results_root)
    for finding in findings:
        print(plain.printable(f"{finding.path}: {'; '.join(finding.faults) or 'ok'}"))
    bad = sum(bool(finding.faults) for finding in findings)
    good = [one.result for one in findings if one.result is not None and not one.faults]
    if arguments.rerun and good:
        chosen = rerun.cheapest(good)
        differences, how = rerun.rerun(chosen)
        for line in differences:
            print(plain.printable(f"{manifest.path_of(chosen)}: {line}"))
        said = "differs" if differences else "agrees"
        print(
            f"rerun of {chosen.spec.strategy_name} seed {chosen.spec.seed}, compared {how}: {said}"
        )
        bad += bool(differences)
    print(f"{len(findings) - sum(bool(one.faults) for one in findings)} of {len(findings)} ok")
    return 1 if bad else 0


def compare(arguments: argparse.Namespace, results_root: Path) -> int:
    """Print paired differences; 0."""
    width = max(60, shutil.get_terminal_size((100, 24)).columns)
    tables = comparison.compare(arguments.names[0], arguments.names[1], results_root)
    print("\n".join(formats.text(table, width) for table in tables), end="")
    return 0


def export(arguments: argparse.Namespace, results_root: Path) -> int:
    """Write a board in a format of others; 0."""
    format = arguments.format or "csv"
    rows = reading.rows_of(arguments.names[0], results_root)
    name = names.name_of(rows[0].results[0].spec)
    default = results_root / "exports" / name
    contents = _exported(rows, format, name)
    if format in ("csv", "parquet"):
        paths = {arguments.output or default / next(iter(contents)): next(iter(contents.values()))}
    else:
        folder = arguments.output or default / format
        paths = {folder / file: content for file, content in contents.items()}
    try:
        for path, content in paths.items():
            files.write(path, content)
    except OSError as error:
        raise UserError(
            f"cannot write {str(error.filename or arguments.output)!r} ({error.strerror}); name "
            "another path with --output"
        ) from error
    place = next(iter(paths)) if len(paths) == 1 else next(iter(paths)).parent
    print(f"wrote {len(paths)} file{'s' if len(paths) > 1 else ''}: {place}")
    return 0


def take(arguments: argparse.Namespace, results_root: Path) -> int:
    """Keep a result of others as a row that is shown apart; 0."""
    path, words = foreign.take(
        Path(arguments.names[0]), results_root, arguments.name or "", arguments.measure or ""
    )
    words = plain.printable(f"imported {words}, as {path}")
    print(f"{words}; python -m nanocl.report shows it in {foreign.PAGE}")
    return 0


def cite(text: str, results_root: Path, catalogue: Catalogue | None = None) -> str:
    """BibTeX of a version of a board and of everything in it.

    Raises:
        UserError: There is no such version, or it is damaged.
    """
    version = released.latest(text, results_root)
    given = version.manifest()
    identity = manifest.identity_of(given)
    publication = reading.publication(version, identity)
    results = reading.results_of(version)
    entry = citing.bibtex(
        citing.Publication(given, identity, publication["date"], publication["url"])
    )
    return citation.cite_board(entry, results, catalogue)


RUN: Mapping[str, Callable[[argparse.Namespace, Path], int]] = {
    "release": release,
    "verify": verify,
    "check": check,
    "compare": compare,
    "export": export,
    "import": take,
}


def _exported(rows: Sequence[Summary], format: str, name: str) -> dict[str, str | bytes]:
    """File name to content."""
    if format == "peft":
        return {**exporting.peft(rows)}
    if format == "eee":
        return {**exporting.eee(rows)}
    table = exporting.tidy(rows)
    if format == "parquet":
        return {f"{name}.parquet": parquet.content(table)}
    return {f"{name}.csv": table}
