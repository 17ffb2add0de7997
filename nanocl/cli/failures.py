"""What a command says and returns when it cannot do what was asked."""

from __future__ import annotations

import sys

from nanocl.records import UserError, files, plain


def exit_code(error: UserError | OSError) -> int:
    """Say in one line what was wrong; 2, or 0 where nobody reads the output any more."""
    if isinstance(error, BrokenPipeError):  # the reader of our output, such as `head`, has ended
        sys.stderr.close()
        return 0
    reason = files.reason(error) if isinstance(error, OSError) else str(error)
    print(f"nanocl: {plain.printable_lines(reason)}", file=sys.stderr)
    return 2
