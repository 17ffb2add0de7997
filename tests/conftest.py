"""Fixtures for the whole suite."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real data sets named by NANOCL_DATA_ROOT; the test is skipped where there is none."""
    named = os.environ.get("NANOCL_DATA_ROOT")
    if not named:
        pytest.skip("real data is needed: set NANOCL_DATA_ROOT to a folder with MNIST/raw, cifar10.zip and so on")
    root = Path(named)
    if not root.is_dir():
        pytest.skip(f"real data is needed: NANOCL_DATA_ROOT names {root}, which is not a folder")
    return root
