"""Door 2, `python -m nanocl.report`: tables, leaderboard and citations from stored records; trains nothing."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from collections.abc import Container, Sequence
from pathlib import Path

from nanocl import __version__
from nanocl.protocols import protocol
from nanocl.records import RunResult, Summary, UserError, files, store
from nanocl.reporting import citation, leaderboard, reproduction, tables
from nanocl.studies import pages as studies

EPILOG = """\
examples:
  python -m nanocl.report                            write tables, leaderboard, claims, fronts; show the tables
  python -m nanocl.report --format latex > tables.tex
  python -m nanocl.report --check                    is what is written what the records say?
  python -m nanocl.report cite                       BibTeX of the leaderboard and everything in it
  python -m nanocl.report cite nanoadam ewc forgetting mnist

exit codes: 0 done, 1 --check found a difference or a record that cannot be read, 2 a mistake in the call
"""
_GENERATED = re.compile(r".*-[0-9a-f]{8}\.(md|csv|tex)")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:
        self.exit(2, f"nanocl: {message}; see python -m nanocl.report --help\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Read the records, then write, check or cite; returns the exit code."""
    arguments = parser().parse_intermixed_args(argv)
    try:
        return _report(arguments)
    except UserError as error:
        print(f"nanocl: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our output has seen enough
        sys.stderr.close()
        return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = _Parser(
        "python -m nanocl.report",
        description="Write tables and the leaderboard from the records of a results "
        "folder, and show the tables.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("command", nargs="?", choices=("cite",), help="print BibTeX instead of writing")
    p.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="for cite: leaderboard, or strategies, streams, models, data sets, metrics; default: all in it",
    )
    p.add_argument("--results", type=Path, metavar="DIR", help="default: results")
    p.add_argument(
        "--format",
        default="text",
        choices=("text", *tables.FORMATS),
        help="how the tables are shown; files are always written in all of markdown, csv and latex",
    )
    p.add_argument(
        "--check",
        action="store_true",
        help="write nothing; exit with 1 if a file would change or a record cannot be read",
    )
    p.add_argument("--version", action="version", version=f"nanocl {__version__}")
    return p


def pages(summaries: Sequence[Summary], root: Path) -> dict[Path, str]:
    """Every generated file and its text."""
    results = [run for row in summaries for run in row.results]
    written = studies.pages(results, root)
    if not summaries:
        return written
    written[root / "LEADERBOARD.md"] = leaderboard.page(summaries)
    compared = reproduction.compare(protocol.protocols(), results)
    if any(row.ours for row in compared):
        written[root / "REPRODUCTION.md"] = reproduction.page(compared)
    for rows in tables.by_protocol(summaries):
        stem = tables.file_stem(rows[0].results[0].spec)
        written |= {
            root / "tables" / f"{stem}.{end}": tables.page(rows, format)
            for format, end in tables.FORMATS.items()
        }
    return written


def changes(wanted: dict[Path, str], root: Path) -> dict[Path, str]:
    """Path to `new`, `changed`, or `stale` for a generated file that no record asks for any more."""
    found = {}
    for path, text in wanted.items():
        if not path.exists():
            found[path] = "new"
        elif path.read_bytes() != text.encode():
            found[path] = "changed"
    there = [path for path in (root / "tables").glob("*") if _GENERATED.fullmatch(path.name)]
    board = [path for path in (root / "LEADERBOARD.md", root / "REPRODUCTION.md") if path.exists()]
    return found | {
        path: "stale"
        for path in (*sorted(there), *board, *studies.there(root))
        if path not in wanted
    }


def _report(arguments: argparse.Namespace) -> int:
    root = arguments.results or Path("results")
    if arguments.results and not root.is_dir():
        raise UserError(
            f"the results folder {str(root)!r} does not exist; name one that holds runs/ with --results"
        )
    results, problems = store.load_all(root)
    for problem in problems:
        print(f"nanocl: skipped {problem}", file=sys.stderr)
    if arguments.command == "cite":
        return _cite(arguments.names, results, root)
    summaries = tables.summarise(results)
    wanted = pages(summaries, root)
    if arguments.check:
        return _check(wanted, root, len(problems))
    written = _write(wanted, root)
    for path, content in studies.figures(results, root, written).items():
        files.write(path, content)
        print(f"nanocl: drew {path}", file=sys.stderr)
    _show(summaries, arguments.format, root)
    return 0


def _cite(names: Sequence[str], results: Sequence[RunResult], root: Path) -> int:
    if not names and not results:
        raise UserError(
            f"no records in {root / 'runs'} to cite; name what you want to cite, such as: cite nanoadam"
        )
    print(citation.cite(names, results, leaderboard.identity(results)), end="")
    return 0


def _show(summaries: Sequence[Summary], format: str, root: Path) -> None:
    if not summaries:
        print(
            f"nanocl: no records in {root / 'runs'} yet; python -m nanocl.run makes some",
            file=sys.stderr,
        )
        return
    width = max(60, shutil.get_terminal_size((100, 24)).columns)
    print(tables.text(summaries, width) if format == "text" else tables.page(summaries, format))


def _write(wanted: dict[Path, str], root: Path) -> Container[Path]:
    found = changes(wanted, root)
    try:
        for path, what in found.items():
            if what == "stale":
                path.unlink()
            else:
                files.write(path, wanted[path])
            print(f"nanocl: {'removed' if what == 'stale' else 'wrote'} {path}", file=sys.stderr)
    except OSError as error:
        raise UserError(
            f"cannot write {str(path)!r} ({error.strerror}); name a folder that can be written with "
            "--results"
        ) from error
    if wanted and not found:
        print(f"nanocl: {len(wanted)} files in {root} are up to date", file=sys.stderr)
    return found


def _check(wanted: dict[Path, str], root: Path, problems: int) -> int:
    found = changes(wanted, root)
    for path, what in found.items():
        print(f"nanocl: {path} is {'missing' if what == 'new' else what}", file=sys.stderr)
    if not found and not problems:
        print(f"nanocl: {len(wanted)} files are what the records say", file=sys.stderr)
    return 1 if found or problems else 0


if __name__ == "__main__":
    sys.exit(main())
