"""A dry run says which normalisation layers are trained densely, and how they were recognised."""

import pytest
from small_runs import spec

from nanocl.footprint.dense import dense_lines
from nanocl.plugins.catalogue import INSTALLED


def lines(*runs):
    return [*dense_lines(runs, INSTALLED)]


def test_each_part_and_model_has_one_line_with_the_kinds_of_its_norms():
    small = {"model": "small-cnn", "settings": {"model": {"norm": "batch"}}}
    runs = [spec("nanoadam", seed, **small) for seed in (0, 1)]
    assert lines(*runs) == [
        "nanoadam.dense=norms+head: normalisation layers of small-cnn: 3 BatchNorm2d (by type)"
    ]
    (line,) = lines(spec("nanoadam"))
    assert line.endswith("of mlp: none")
    assert lines(spec("adamw")) == []


def test_norms_of_other_packages_are_in_the_line():
    pytest.importorskip("timm")
    (line,) = lines(spec("nanoadam", model="timm:convnext_atto_rms"))
    assert line.endswith("of timm:convnext_atto_rms: 17 RmsNorm2d (by class)")
