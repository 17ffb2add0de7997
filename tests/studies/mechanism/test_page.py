"""The page of the probes."""

import pytest
from made_probes import three_probes

from nanocl.studies.mechanism.groups import groups
from nanocl.studies.mechanism.page import FIGURES, probe_page, relative_changes
from nanocl.studies.mechanism.study import pages


@pytest.fixture
def root(tmp_path):
    return three_probes(tmp_path)


def test_changes_are_relative_to_the_mean_of_the_layers_that_moved(root):
    group = next(group for group in groups(root) if group.seeds == (0, 1))
    assert relative_changes(group, 0) == [2.0] * 5 + [0.0] * 5


def test_the_page_has_a_row_for_each_look(root):
    (page,) = pages([], root).values()
    assert page == probe_page(groups(root))
    assert len([line for line in page.splitlines() if "adamw, from scratch" in line]) == 2 + 1 + 1
    assert all(f"![{name}]({name}.png)" in page for name in FIGURES)
