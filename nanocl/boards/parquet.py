"""Tables as Parquet files; they need pyarrow, which the extra `boards` installs."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path
from typing import Any

from nanocl.records import UserError, extras

FILE = "table.parquet"
# columns that look like numbers in some tables
TEXTS = ("protocol_hash", "options", "seeds", "diverged", "version", "digest", "board")
MISSING = f"pyarrow is not installed; {extras.command('boards')} installs it"


def is_installed() -> bool:
    """Whether Parquet files can be written and read."""
    return importlib.util.find_spec("pyarrow") is not None


def content(text: str) -> bytes:
    """The Parquet file of a CSV text with a header.

    Raises:
        UserError: pyarrow is not installed.
    """
    _check_installed()
    out = io.BytesIO()
    _frame(text).to_parquet(out, index=False, engine="pyarrow")
    return out.getvalue()


def is_table(path: Path, text: str) -> bool:
    """Whether a Parquet file has the rows and columns of a CSV text.

    Its bytes are not compared: they depend on the version of pyarrow.

    Raises:
        UserError: pyarrow is not installed.
    """
    _check_installed()
    import pandas

    try:
        return bool(pandas.read_parquet(path, engine="pyarrow").equals(_frame(text)))
    except (OSError, ValueError):  # pyarrow's errors derive from them
        return False


def _frame(text: str) -> Any:
    import pandas

    return pandas.read_csv(io.StringIO(text), dtype=dict.fromkeys(TEXTS, "string"))


def _check_installed() -> None:
    if not is_installed():
        raise UserError(MISSING)
