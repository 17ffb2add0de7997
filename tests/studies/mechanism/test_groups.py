"""Probes of the same run with different seeds become one group of means."""

import pytest
from made_probes import save_probe, three_probes

from nanocl.reporting.statistics import mean
from nanocl.studies.mechanism.groups import groups
from nanocl.studies.mechanism.page import layers_mean


@pytest.fixture
def root(tmp_path):
    return three_probes(tmp_path)


def test_a_group_holds_the_means_of_the_looks_that_all_seeds_have(root):
    assert {group.title: group.seeds for group in groups(root)} == {
        "split-digits adamw, from scratch": (0, 1),
        "split-digits adamw, pretrained": (0,),
    }
    both = next(group for group in groups(root) if group.seeds == (0, 1))
    assert [look.step for look in both.looks] == [0, 10]
    assert both.last().layers["a"]["ratio"] == pytest.approx(0.3)
    assert layers_mean(both.last(), "overlap", "0.1") == pytest.approx(mean([0.1, 0.2, 0.1, 0.3]))
    assert both.overlaps == pytest.approx({0: 1.0, 1: 2.5})
    assert both.ratios[1] == pytest.approx((0.35 * 0.45) ** 0.5)


def test_a_damaged_probe_is_left_out(root):
    path = save_probe(root, seed=9)
    path.write_text(path.read_text()[:-20])
    assert [group.seeds for group in groups(root)].count((0, 1)) == 1
    assert all(9 not in group.seeds for group in groups(root))
