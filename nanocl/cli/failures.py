"""What a command says when it cannot do what was asked, or warns of something."""

from __future__ import annotations

import os
import sys
import warnings

from nanocl.records import UserError, files, plain


def exit_code(error: UserError | OSError) -> int:
    """Say in one line what was wrong; 2, or 0 where nobody reads the output any more."""
    if isinstance(error, BrokenPipeError):  # the reader of our output, such as `head`, has ended
        sys.stderr.close()
        return 0
    reason = files.reason(error) if isinstance(error, OSError) else str(error)
    print(f"nanocl: {plain.printable_lines(reason)}", file=sys.stderr)
    return 2


def show_own_warnings_only() -> None:
    """Warnings of libraries do not concern the caller; ours are one line each."""

    def show(message: Warning | str, *_: object, **__: object) -> None:
        print(f"nanocl: {message}", file=sys.stderr)

    os.environ.setdefault("PYTHONWARNINGS", "ignore")  # workers inherit it
    warnings.simplefilter("ignore")
    warnings.filterwarnings("default", module=r"nanocl\b")
    warnings.showwarning = show
