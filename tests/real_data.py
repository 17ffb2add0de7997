"""Tests of real data: skipped where it is missing, unless all of it is said to be there."""

import os
from typing import NoReturn

import pytest

COMPLETE = "NANOCL_DATA_COMPLETE"


def missing(what: str) -> NoReturn:
    """Skip a test without its data; with NANOCL_DATA_COMPLETE=1 that is a failure.

    The check of the project lays all data out and sets it, so that a fault that makes present data
    look missing fails there.
    """
    if os.environ.get(COMPLETE) == "1":
        pytest.fail(f"{COMPLETE} is set, but a test found no data: {what}")
    pytest.skip(f"real data is needed: {what}")
