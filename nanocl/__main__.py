"""One command for all: `nanocl run`, or `python -m nanocl run`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from nanocl import __version__
from nanocl.cli import ending
from nanocl.records.ranges import did_you_mean

COMMANDS = {
    "run": "train learners on a stream and show what they keep",
    "report": "write tables, leaderboard and figures; release, verify and cite boards",
    "tune": "find the options of learners for a protocol, with one budget for all",
    "memory": "bytes that training a model needs, by optimizer",
}
TRAINS_NOTHING = ("report", "memory")
USAGE = "\n".join(
    [
        "usage: nanocl COMMAND ...   (nanocl COMMAND --help shows its arguments)",
        "",
        *(f"  {name:<8} {does}" for name, does in COMMANDS.items()),
    ]
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one of `COMMANDS` with the other arguments; returns the exit code."""
    command, *rest = [*(sys.argv[1:] if argv is None else argv), ""]
    if command in COMMANDS:
        code: int = import_module(f"nanocl.{command}").main(rest[:-1])
        return code
    if command == "--version":
        print(f"nanocl {__version__}")
        return 0
    if command in ("", "-h", "--help"):
        print(USAGE)
        return 0
    print(
        f"nanocl: no command {command!r}{did_you_mean(command, COMMANDS)}\n{USAGE}", file=sys.stderr
    )
    return 2


def console() -> None:
    """The installed command `nanocl`."""
    if sys.argv[1:2] and sys.argv[1] in TRAINS_NOTHING:
        ending.run(main)
    sys.exit(main())


if __name__ == "__main__":
    console()
