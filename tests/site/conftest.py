"""A results folder with a released board and one without, and the site that is built from it."""

import shutil

import made_boards
import pytest

from nanocl import site
from nanocl.records import store
from nanocl.reporting.summaries import summarise
from nanocl.site import board


@pytest.fixture(scope="session")
def results(tmp_path_factory):
    folder = made_boards.fill(tmp_path_factory.mktemp("site") / "results")
    made_boards.released(folder, date="2026-11-27")
    return folder


@pytest.fixture(scope="session")
def rows(results):
    return summarise(store.load_all(results)[0])


@pytest.fixture(scope="session")
def boards(results, rows):
    return board.collect(rows, results)[0]


@pytest.fixture(scope="session")
def built(results, rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("built") / "site"
    assert site.build(rows, results, folder) == []
    return folder


@pytest.fixture
def copy(results, tmp_path):
    return shutil.copytree(results, tmp_path / "results")
