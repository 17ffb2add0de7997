"""Probes of the same run with different seeds become one group of means."""

from dataclasses import replace

import pytest
from making import a_spec

from nanocl.records import Part, probes
from nanocl.reporting.statistics import mean
from nanocl.studies.mechanism import claims, figures
from nanocl.studies.mechanism.groups import groups
from nanocl.studies.mechanism.page import FIGURES, layers_mean, probe_page, relative_changes
from nanocl.studies.mechanism.study import pages


def a_layer(shift=0.0):
    tenths = [0.1 * (place + 1) for place in range(10)]
    return {
        "entries": 1000,
        "magnitude": tenths,
        "gradient": [1 / tenth for tenth in tenths],
        "steep": [2 / tenth for tenth in tenths],
        "overlap": {"0.001": 0.0, "0.01": 0.02, "0.1": 0.1 + shift},
        "low": 0.2,
        "ratio": 0.25 + shift,
    }


def save(root, seed=0, shift=0.0, pretrained=False, steps=(0, 10)):
    spec = a_spec("adamw", seed)
    if pretrained:
        spec = replace(spec, model=Part("mlp", {"pretrain": "digits"}, pretrained_on="f" * 16))
    looks = [
        {"experience": 0, "step": step, "layers": {"a": a_layer(shift), "b": a_layer(2 * shift)}}
        for step in steps
    ]
    moved = {"a": [2.0] * 5 + [0.0] * 5, "b": [0.0] * 10}
    changes = [{"experience": 0, "steps": 11, "layers": moved}]
    return probes.write(spec, looks, changes, probes.folder(root))


@pytest.fixture
def root(tmp_path):
    save(tmp_path, 0)
    save(tmp_path, 1, shift=0.1, steps=(0, 10, 100))
    save(tmp_path, 0, pretrained=True)
    return tmp_path


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
    path = save(root, seed=9)
    path.write_text(path.read_text()[:-20])
    assert [group.seeds for group in groups(root)].count((0, 1)) == 1
    assert all(9 not in group.seeds for group in groups(root))


def test_changes_are_relative_to_the_mean_of_the_layers_that_moved(root):
    group = next(group for group in groups(root) if group.seeds == (0, 1))
    assert relative_changes(group, 0) == [2.0] * 5 + [0.0] * 5


def test_the_page_has_a_row_for_each_look(root):
    (page,) = pages([], root).values()
    assert page == probe_page(groups(root))
    assert len([line for line in page.splitlines() if "adamw, from scratch" in line]) == 2 + 1 + 1
    assert all(f"![{name}]({name}.png)" in page for name in FIGURES)


def test_the_figures_are_the_same_bytes_twice(root):
    first = figures.draw(groups(root))
    assert first == figures.draw(groups(root)) and {*first} == {f"{name}.png" for name in FIGURES}


def test_a_claim_is_judged_over_the_seeds_of_the_streams_of_one_strategy(root):
    scratch = next(group for group in groups(root) if group.start == "from scratch")
    few = dict(enumerate((0.5, 0.6, 0.55, 0.45, 0.5)))
    streams = [replace(scratch, name=name, start="pretrained", overlaps=few) for name in "ab"]
    finetuned, from_scratch = claims.probe_claims([*streams, scratch])
    assert finetuned.verdict == "does not hold"
    assert list(finetuned.findings) == ["a, pretrained", "b, pretrained"]
    assert from_scratch.findings["split-digits adamw, from scratch"][0].effect is None
    assert [claim.verdict for claim in claims.probe_claims([])] == ["not measured"] * 2
