"""Command line of `python -m nanocl.report`: its commands, and the options that each takes."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from nanocl import __version__
from nanocl.cli.arguments import Parser
from nanocl.records import UserError

EPILOG = """\
examples:
  python -m nanocl.report                            write tables, pages and figures; show tables
  python -m nanocl.report --format latex > tables.tex
  python -m nanocl.report --format latex --columns acc,forgetting,relative --rows nanoadam,adamw
  python -m nanocl.report plots --protocol split-mnist-cpu-task --rows nanoadam,adamw,ewc
  python -m nanocl.report --check                    do the files match the records?
  python -m nanocl.report cite                       BibTeX of the leaderboard and its contents
  python -m nanocl.report cite nanoadam ewc forgetting mnist
  python -m nanocl.report site --output site         pages for a browser, offline
  python -m nanocl.report migrate                    convert records of an older format
  python -m nanocl.report merge shard-* --results results    one results folder from several

versions of a board (docs/boards.md):
  python -m nanocl.report release split-mnist-cpu-task --notes "10 seeds"
  python -m nanocl.report verify split-mnist-cpu-task@v1.0   or: verify all
  python -m nanocl.report cite split-mnist-cpu-task          BibTeX with version and hash
  python -m nanocl.report compare split-mnist-cpu-task:adam split-mnist-cpu-task:nanoadam
  python -m nanocl.report check RECORD.json --rerun          may it join the board?
  python -m nanocl.report export split-mnist-cpu-task --format eee
  python -m nanocl.report import matrix.csv                  a row that is shown apart, not ranked

exit codes: 0 done, 1 a check or verify found a difference or a file is unusable, 2 a mistake in the
command
"""
COMMANDS = {
    "cite": "print BibTeX",
    "plots": "draw figures for papers",
    "migrate": "convert records of an older format in place",
    "merge": "copy the records of other results folders into this one",
    "release": "make a new version of a board, if its records or its protocol changed",
    "verify": "recompute versions of boards from their records; all verifies every one",
    "check": "check contributed records",
    "compare": "paired differences of two learners, versions of boards or results folders",
    "export": "write a board in a format of others",
    "import": "take a result of others as a row that is shown apart and never ranked",
    "site": "write boards, learners and claims as pages that work offline",
}
TABLES = ("text", "markdown", "csv", "latex")
EXCHANGE = ("csv", "parquet", "eee", "peft")
PICTURES = ("pdf", "svg", "png")
_FORMATS = {"export": EXCHANGE, "plots": PICTURES}  # of other commands: TABLES
# the options that only some commands take; "" is the command without a name
_TAKEN_BY = {
    "format": ("", "export", "plots"),
    "columns": ("",),
    "rows": ("", "plots"),
    "best": ("",),
    "protocol": ("", "plots"),
    "check": ("",),
    "notes": ("release",),
    "date": ("release",),
    "url": ("release", "cite"),
    "identity": ("verify",),
    "plugin": ("cite",),
    "rerun": ("check",),
    "output": ("export", "site", "plots"),
    "name": ("import",),
    "measure": ("import",),
}
# command to the least and the largest number of names
_NAMES = {
    "": (0, 0),
    "migrate": (0, 0),
    "site": (0, 0),
    "plots": (0, 0),
    "release": (1, 1),
    "verify": (1, None),
    "check": (1, None),
    "compare": (2, 2),
    "export": (1, 1),
    "import": (1, 1),
}
_EXAMPLES = {
    "release": "release BOARD",
    "verify": "verify BOARD, verify BOARD@VERSION or verify all",
    "check": "check RECORD...",
    "compare": "compare BOARD:LEARNER BOARD:LEARNER",
    "export": "export BOARD --format csv",
    "import": "import FILE",
    "migrate": "migrate --results DIR",
    "site": "site --output DIR",
    "plots": "plots --protocol split-mnist-cpu-task",
    "": "python -m nanocl.report",
}
_URL = re.compile(r"https?://[^\s{}\\<>\"]+")  # nothing that ends a BibTeX field


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    p = Parser(
        "python -m nanocl.report",
        description="Write tables, leaderboard and pages from the records of a results folder, "
        "and show the tables.",
        epilog=EPILOG,
    )
    p.add_argument(
        "command",
        nargs="?",
        choices=tuple(COMMANDS),
        help="; ".join(f"{name}: {does}" for name, does in COMMANDS.items()),
    )
    p.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="for merge: results folders; for cite: leaderboard, boards, or strategies, streams, "
        "models, data sets, metrics, default the leaderboard and everything in it; for the other "
        "commands: boards, versions (BOARD@v1.0), learners (BOARD:adamw) or files",
    )
    p.add_argument("--results", type=Path, metavar="DIR", help="default: results")
    p.add_argument(
        "--format",
        choices=tuple(dict.fromkeys((*TABLES, *EXCHANGE, *PICTURES))),
        help="format of the shown tables (text, markdown, csv, latex; the files are always written "
        "as markdown, csv and latex), of an export (csv, parquet, eee, peft) or of plots (pdf, "
        "svg, png; default all three)",
    )
    p.add_argument(
        "--check",
        action="store_true",
        help="write nothing; exit with 1 if a file would change or a record cannot be read",
    )
    _add_options_of_papers(p)
    _add_options_of_boards(p)
    p.add_argument("--version", action="version", version=f"nanocl {__version__}")
    return p


def _add_options_of_papers(p: argparse.ArgumentParser) -> None:
    group = p.add_argument_group("a table or figure for a paper (writes no other files)")
    group.add_argument(
        "--columns",
        type=listed,
        metavar="NAME,...",
        help="metrics, by function or header: acc, task_acc, forgetting, relative, state, "
        "head.l2, ...; default: acc,forgetting,relative",
    )
    group.add_argument(
        "--rows", type=listed, metavar="NAME,...", help="strategies, in this order; default: all"
    )
    group.add_argument(
        "--best", choices=("bold", "none"), help="mark the best of each column; default: bold"
    )
    group.add_argument(
        "--protocol",
        metavar="NAME",
        help="only this protocol: split-mnist, split-mnist-cpu-task or a hash",
    )


def listed(text: str) -> tuple[str, ...]:
    """The names in a list with commas."""
    return tuple(dict.fromkeys(filter(None, (name.strip() for name in text.split(",")))))


def _add_options_of_boards(p: argparse.ArgumentParser) -> None:
    group = p.add_argument_group("options of single commands")
    group.add_argument("--notes", metavar="TEXT", help="release: a sentence for its CHANGELOG.md")
    group.add_argument(
        "--date", metavar="YYYY-MM-DD", help="release: day of publication, for citations"
    )
    group.add_argument("--url", help="release and cite: where it is published")
    group.add_argument(
        "--identity", metavar="SHA256", help="verify: the hash by which the version was cited"
    )
    group.add_argument(
        "--plugin",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="cite: a file with your own strategy, stream or model; can be repeated",
    )
    group.add_argument(
        "--rerun", action="store_true", help="check: measure the cheapest record again here"
    )
    group.add_argument(
        "--output",
        type=Path,
        metavar="PATH",
        help="export: default RESULTS/exports/BOARD; site: a folder, default site; plots: a "
        "folder, default RESULTS/plots",
    )
    group.add_argument(
        "--name", metavar="TEXT", help="import: name of the row; default: the file's"
    )
    group.add_argument(
        "--measure",
        choices=("accuracy", "loss"),
        help="import: what a matrix holds; default: accuracy, as fractions or in percent",
    )


def check(arguments: argparse.Namespace) -> None:
    """Refuse options and names that the command does not take.

    Raises:
        UserError: With what the command takes.
    """
    command = arguments.command or ""
    for option, commands in _TAKEN_BY.items():
        if getattr(arguments, option) and command not in commands:
            takers = " and ".join(one or "the command without a name" for one in commands)
            raise UserError(f"--{option} is an option of {takers}, not of {command or 'this call'}")
    formats = _FORMATS.get(command, TABLES)
    if arguments.format and arguments.format not in formats:
        raise UserError(
            f"--format of {command or 'the tables'} must be one of {', '.join(formats)}, got "
            f"{arguments.format!r}"
        )
    _check_names(command, len(arguments.names))
    if arguments.date and not _is_date(arguments.date):
        raise UserError(f"--date must be a day as YYYY-MM-DD, got {arguments.date!r}")
    if arguments.url and not _URL.fullmatch(arguments.url):
        raise UserError(
            f"--url must be an address such as https://example.org/boards, got {arguments.url!r}"
        )
    if arguments.identity and not re.fullmatch(r"[0-9a-f]{64}", arguments.identity):
        raise UserError(f"--identity must be 64 hex digits, got {arguments.identity!r}")


def _check_names(command: str, count: int) -> None:
    least, most = _NAMES.get(command, (0, None))
    if count < least or (most is not None and count > most):
        wanted = f"{least}" if least == most else f"at least {least}"
        raise UserError(
            f"{command or 'this call'} takes {wanted} name{'' if wanted == '1' else 's'}, got "
            f"{count}: {_EXAMPLES[command]}"
        )


def _is_date(text: str) -> bool:
    import datetime

    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return False
    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        return False
    return True
