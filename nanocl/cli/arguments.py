"""A command line whose mistakes are one line."""

from __future__ import annotations

import argparse
from typing import NoReturn

from nanocl.records.ranges import nearest

_UNKNOWN = "unrecognized arguments: "


class Parser(argparse.ArgumentParser):
    """As argparse's, with examples as they are written and one line for a mistake."""

    def __init__(self, prog: str, *, description: str, epilog: str) -> None:
        form = argparse.RawDescriptionHelpFormatter
        super().__init__(prog, description=description, epilog=epilog, formatter_class=form)

    def error(self, message: str) -> NoReturn:
        """Name the mistake, and the nearest option if one is unknown; exit code 2."""
        if message.startswith(_UNKNOWN):
            option = message.removeprefix(_UNKNOWN).partition(" ")[0].partition("=")[0]
            near = nearest(option, [*self._option_string_actions])
            message += f"; did you mean {near}?" if near else ""
        self.exit(2, f"nanocl: {message}; see {self.prog} --help\n")
