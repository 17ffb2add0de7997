"""Command line: `python -m nanocl.report` writes tables, pages and citations; trains nothing."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from pathlib import Path

from nanocl import studies
from nanocl.boards import commands, foreign, listing, released
from nanocl.cli import ending, failures, reports
from nanocl.plugins.catalogue import Catalogue
from nanocl.records import (
    RunResult,
    Summary,
    UserError,
    damage,
    files,
    merging,
    migration,
    places,
    store,
    trainings,
)
from nanocl.reporting import (
    citation,
    inert,
    leaderboard,
    paper_formats,
    papers,
    reproduction,
    tables,
)
from nanocl.reporting.summaries import results_of, summarise
from nanocl.studies.byo import page as byo

MANY = 5  # records skipped for one reason, from which on they share a line
READ = 2**16  # bytes of a page in which it says that it is generated
Pages = Callable[[Sequence[Summary], Path], Mapping[Path, str]]
_GENERATED = re.compile(r"Generated (from the (records|probes) )?by `python -m nanocl\.report`")


def main(argv: Sequence[str] | None = None) -> int:
    """Read the records, then write, check or cite; returns the exit code."""
    arguments = reports.parser().parse_intermixed_args(argv)
    try:
        reports.check(arguments)
        return _report(arguments)
    except (UserError, OSError) as error:
        return failures.exit_code(error)


def study_pages(summaries: Sequence[Summary], results_root: Path) -> dict[Path, str]:
    """The pages of all studies."""
    return studies.pages(results_of(summaries), results_root)


# A page is a function from the rows and the results folder to path and text.
PAGES: tuple[Pages, ...] = (
    leaderboard.pages,
    reproduction.pages,
    tables.pages,
    study_pages,
    foreign.pages,
    listing.pages,
)


def pages(summaries: Sequence[Summary], results_root: Path) -> dict[Path, str]:
    """Every generated text file."""
    written: dict[Path, str] = {}
    for make in PAGES:
        written |= make(summaries, results_root)
    return {
        path: inert.page(text) if path.suffix == ".md" else text for path, text in written.items()
    }


def changes(wanted: Mapping[Path, str], results_root: Path) -> dict[Path, str]:
    """Path to `new`, `changed`, or `stale` for a generated file without records."""
    states = {}
    for path, text in wanted.items():
        if not path.is_file():
            states[path] = "new"
        elif path.read_bytes() != text.encode():
            states[path] = "changed"
    for path in _generated(results_root):
        if path not in wanted:
            states[path] = "stale"
    return states


def _generated(results_root: Path) -> list[Path]:
    """The files that earlier calls wrote; other files in the folder are left alone."""
    generated = []
    for path in sorted(results_root.glob("tables/*")):
        if tables.GENERATED_NAME.fullmatch(path.name) and path.is_file():
            generated.append(path)
    for place in ("*.md", "studies/*/*.md"):
        for path in sorted(results_root.glob(place)):
            if path.is_file() and _GENERATED.search(_beginning(path)):
                generated.append(path)
    return generated


def _beginning(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(READ).decode(errors="replace")


def _report(arguments: argparse.Namespace) -> int:
    results_root = arguments.results or store.DEFAULT_ROOT
    if arguments.command == "merge":
        return _merge([Path(name) for name in arguments.names], results_root)
    if arguments.results and not results_root.is_dir():
        raise UserError(
            f"the results folder {str(results_root)!r} does not exist; name one that holds runs/ "
            "with --results"
        )
    if arguments.command == "migrate":
        return _migrate(results_root)
    if arguments.command in commands.RUN:
        return commands.RUN[arguments.command](arguments, results_root)
    if arguments.command == "cite" and arguments.names and citation.BOARD not in arguments.names:
        return _cite(arguments, [], results_root)  # entries that need no record
    results, problems = store.load_all(results_root)
    problems += [*damage.find(results_root), *foreign.load(results_root)[1]]
    for line in skipped(problems):
        print(f"nanocl: {line}", file=sys.stderr)
    if arguments.command == "cite":
        return _cite(arguments, results, results_root)
    summaries = summarise(results)
    if arguments.command == "site":
        return _site(summaries, results_root, arguments.output or Path("site"))
    if arguments.command == "plots":
        return _plot(arguments, summaries, results_root)
    if arguments.columns or arguments.rows or arguments.best or arguments.protocol:
        return _show_paper_tables(arguments, summaries)
    wanted = pages(summaries, results_root)
    if arguments.check:
        return _check(wanted, results_root, len(problems))
    try:
        changed = _write(wanted, results_root)
        _draw(results_of(summaries), results_root, changed)
    except OSError as error:
        raise UserError(
            f"cannot write {str(error.filename or results_root)!r} ({error.strerror}); choose a "
            "writable folder with --results"
        ) from error
    _show(summaries, arguments.format or "text", results_root)
    return 0


def _show_paper_tables(arguments: argparse.Namespace, summaries: Sequence[Summary]) -> int:
    choice = papers.Choice(
        arguments.columns or papers.DEFAULT_COLUMNS, arguments.rows or (), arguments.best or "bold"
    )
    if arguments.protocol:
        summaries = papers.of_protocol(summaries, arguments.protocol)
    format = arguments.format or "text"
    print(paper_formats.document(summaries, choice, format, _width()), end="")
    return 0


def _plot(arguments: argparse.Namespace, summaries: Sequence[Summary], results_root: Path) -> int:
    from nanocl.reporting import plots  # here, because it loads matplotlib

    if arguments.protocol:
        summaries = papers.of_protocol(summaries, arguments.protocol)
    kinds = (arguments.format,) if arguments.format else reports.PICTURES
    folder = arguments.output or results_root / "plots"
    for name, content in plots.draw(summaries, arguments.rows or (), kinds):
        files.write(folder / name, content)
        print(f"nanocl: drew {folder / name}", file=sys.stderr)
    return 0


def skipped(problems: Sequence[store.Problem]) -> Iterator[str]:
    """A line for each record that was skipped; many with the same reason share one."""
    by_reason: dict[str, list[store.Problem]] = {}
    for problem in problems:
        by_reason.setdefault(problem.reason, []).append(problem)
    for same in by_reason.values():
        if len(same) > MANY:
            yield f"skipped {len(same)} records such as {same[0]}"
        else:
            yield from (f"skipped {problem}" for problem in same)


def _migrate(results_root: Path) -> int:
    converted, problems = migration.migrate(results_root)
    for problem in problems:
        print(f"nanocl: not converted {problem}", file=sys.stderr)
    print(f"nanocl: converted {len(converted)} files in {results_root}", file=sys.stderr)
    return 1 if problems else 0


def _merge(folders: Sequence[Path], results_root: Path) -> int:
    done = merging.merge(folders, results_root)
    for line in (*done.empty, *done.kept, *skipped(done.refused)):
        print(f"nanocl: {line}", file=sys.stderr)
    print(
        f"nanocl: copied {len(done.copied)} files into {results_root}, {done.equal} were equal, "
        f"{len(done.refused)} were not copied; {done.others} files that are no records (pages, "
        "checkpoints) stay where they are",
        file=sys.stderr,
    )
    return 1 if done.refused else 0


def _site(summaries: Sequence[Summary], results_root: Path, folder: Path) -> int:
    """Write the site; 1 if a board is damaged and left out."""
    from nanocl import site  # here, because it loads matplotlib and Jinja

    problems = site.build(summaries, results_root, folder)
    for line in problems:
        print(f"nanocl: {line}", file=sys.stderr)
    print(f"nanocl: wrote {folder / 'index.html'}", file=sys.stderr)
    return 1 if problems else 0


def _cite(arguments: argparse.Namespace, results: Sequence[RunResult], results_root: Path) -> int:
    names, catalogue = arguments.names, Catalogue(arguments.plugin)
    boards = [name for name in names if released.is_board(name, results_root)]
    for name in boards:
        print(commands.cite(name, results_root, catalogue), end="")
    names = [name for name in names if name not in boards]
    if boards and not names:
        return 0
    if not names and not results:
        raise UserError(
            f"no records in {results_root / 'runs'} to cite; name what to cite, such as: cite "
            "nanoadam"
        )
    identity, url = leaderboard.identity(results), arguments.url or ""
    print(citation.cite(names, results, identity, catalogue, url), end="")
    return 0


def _show(summaries: Sequence[Summary], format: str, results_root: Path) -> None:
    own, _ = trainings.load_all(results_root)
    if own and format == "text":
        print(byo.text(own, _width()))
    if not summaries and not own:
        meant = [] if places.has_records(results_root) else places.meant(results_root)
        hint = f"did you mean --results {meant[0]}?" if meant else "python -m nanocl.run makes some"
        print(f"nanocl: no records in {results_root / 'runs'} yet; {hint}", file=sys.stderr)
    if not summaries:
        return
    print(
        tables.text(summaries, _width()) if format == "text" else tables.document(summaries, format)
    )


def _width() -> int:
    return max(60, shutil.get_terminal_size((100, 24)).columns)


def _write(wanted: Mapping[Path, str], results_root: Path) -> Container[Path]:
    """Write what is new or changed and remove what is stale; returns these paths."""
    states = changes(wanted, results_root)
    for path, state in states.items():
        if state == "stale":
            path.unlink()
        else:
            files.write(path, wanted[path])
        print(f"nanocl: {'removed' if state == 'stale' else 'wrote'} {path}", file=sys.stderr)
    if wanted and not states:
        print(f"nanocl: {len(wanted)} files in {results_root} are up to date", file=sys.stderr)
    return states


def _draw(results: Sequence[RunResult], results_root: Path, changed: Container[Path]) -> None:
    for path, content in studies.figures(results, results_root, changed).items():
        files.write(path, content)
        print(f"nanocl: drew {path}", file=sys.stderr)


def _check(wanted: Mapping[Path, str], results_root: Path, problems: int) -> int:
    states = changes(wanted, results_root)
    for path, state in states.items():
        print(f"nanocl: {path} is {'missing' if state == 'new' else state}", file=sys.stderr)
    if not states and not problems:
        print(f"nanocl: {len(wanted)} files match the records", file=sys.stderr)
    return 1 if states or problems else 0


if __name__ == "__main__":
    ending.run(main)
