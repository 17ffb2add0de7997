"""The figures of the probes."""

import pytest
from made_probes import three_probes

from nanocl.studies.mechanism import figures
from nanocl.studies.mechanism.groups import groups
from nanocl.studies.mechanism.page import FIGURES


@pytest.fixture
def root(tmp_path):
    return three_probes(tmp_path)


def test_the_figures_are_the_same_bytes_twice(root):
    first = figures.draw(groups(root))
    assert first == figures.draw(groups(root)) and {*first} == {f"{name}.png" for name in FIGURES}
