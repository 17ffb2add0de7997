"""Results folders with a board, made once and copied for each test."""

import shutil

import made_boards
import pytest
from making import a_result, a_spec, shifted

from nanocl.boards import released


@pytest.fixture(scope="session")
def filled(tmp_path_factory):
    return made_boards.fill(tmp_path_factory.mktemp("filled"))


@pytest.fixture(scope="session")
def few(tmp_path_factory):
    return made_boards.fill(tmp_path_factory.mktemp("few"), seeds=range(2))


@pytest.fixture(scope="session")
def published(few, tmp_path_factory):
    folder = shutil.copytree(few, tmp_path_factory.mktemp("published") / "results")
    made_boards.released(folder, date="2026-11-27")
    return folder


@pytest.fixture
def root(filled, tmp_path):
    """Records without a release."""
    return shutil.copytree(filled, tmp_path / "results")


@pytest.fixture
def small_root(few, tmp_path):
    """As `root`, with two seeds."""
    return shutil.copytree(few, tmp_path / "few")


@pytest.fixture
def version(published, tmp_path):
    """The first version of their board, in a results folder of its own."""
    folder = shutil.copytree(published, tmp_path / "published")
    return released.latest(made_boards.NAME, folder)


@pytest.fixture
def lwf():
    """A record of a learner that is not on the board."""
    return a_result(a_spec("lwf", 0), shifted(-0.05))
