"""Fixtures for the whole suite."""

import gc
import multiprocessing
import os
import random
import sys
from collections.abc import Generator
from pathlib import Path

import numpy
import pytest
from hypothesis import settings
from real_data import missing

# the same examples on every machine and day: a red suite is then a fact about the change, not about
# the draw; `pytest --hypothesis-profile explore` draws anew, and many more
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("explore", max_examples=2000, deadline=None)
settings.load_profile("repeatable")

if "forkserver" in multiprocessing.get_all_start_methods():
    # whichever test starts the server of the workers, those of later tests find torch loaded
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["nanocl.training.preloaded"])


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Without garbage collections: imports leave no garbage, and no test waits for a search in it.

    As in the server of the workers, see `nanocl.training.preloaded`.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_unconfigure() -> None:
    """Let the process end as usual."""
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """No test draws other networks in another order of tests, or in another call."""
    random.seed(0)
    numpy.random.seed(0)
    if "torch" in sys.modules:  # a test without it does not wait for its import
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real data sets in NANOCL_DATA_ROOT; without one the test is skipped."""
    named = os.environ.get("NANOCL_DATA_ROOT")
    if not named:
        missing("set NANOCL_DATA_ROOT to a folder with MNIST/raw, cifar10.zip, ...")
    root = Path(named)
    if not root.is_dir():
        pytest.fail(
            f"NANOCL_DATA_ROOT names {root}, which is not a folder: no real data would be tested"
        )
    return root
