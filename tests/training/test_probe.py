"""The probe looks and touches nothing; what it saw is drawn."""

import json
import math
from dataclasses import replace

import pytest
import torch

from nanocl import run, studies
from nanocl.cli.commandline import call
from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import suite
from nanocl.protocols.pinning import pin
from nanocl.protocols.request import Request
from nanocl.records import UserError, probes
from nanocl.studies.mechanism.groups import groups
from nanocl.studies.mechanism.page import FIGURES
from nanocl.training import experiment
from nanocl.training.context import Context
from nanocl.training.probe import look


def spec(*strategies, seed=0):
    return pin(
        suite.specs(Request(strategies=strategies, seeds=(seed,), tier="smoke"), Catalogue()), None
    )[0]


@pytest.fixture(scope="module")
def probed(tmp_path_factory):
    root = tmp_path_factory.mktemp("probed")
    runs = [spec("adamw"), spec("nanoadam"), spec("nanoadam", seed=1)]
    return (
        root,
        runs,
        [experiment.run_one(one, Context(probes=root / "probes")) for one in runs],
    )


def test_a_probed_run_has_the_same_numbers_bit_for_bit_and_the_same_digest(probed):
    _, runs, results = probed
    for one, seen in zip(runs[:2], results[:2], strict=True):
        plain = experiment.run_one(one, Context())
        assert (plain.initial, plain.evaluation, plain.masked) == (
            seen.initial,
            seen.evaluation,
            seen.masked,
        )
        assert plain.drift == seen.drift and plain.spec == seen.spec
        assert plain.cost.optimizer_state_bytes == seen.cost.optimizer_state_bytes


def test_the_setting_of_the_probe_does_not_reach_the_spec():
    words = ["--strategy", "adamw", "--tier", "smoke", "--set", "adamw.lr=0.1"]
    plain, seen = (call([*words, *more]) for more in ((), ("--set", "probe.magnitude=true")))
    assert not plain.probe and seen.probe
    assert plain.request == seen.request
    for text in ("probe.magnitude=yes", "probe.size=1"):
        with pytest.raises(UserError, match=r"one option, probe\.magnitude"):
            call([*words, "--set", text])


def test_a_probe_is_small_and_holds_every_layer_but_the_head(probed):
    root, runs, _ = probed
    path = probes.path_of(runs[1], probes.folder(root))
    entry = json.loads(path.read_text())
    assert path.stat().st_size < 64 * 1024 and entry["digest"] == runs[1].digest
    assert [(one["experience"], one["step"]) for one in entry["looks"]][:2] in (
        [(0, 0), (0, 10)],
        [(0, 0), (1, 0)],
    )
    assert all(
        name.startswith("backbone.") and len(layer["magnitude"]) == 10
        for one in entry["looks"]
        for name, layer in one["layers"].items()
    )


def test_a_look_finds_the_smallest_weights_with_the_largest_gradients():
    torch.manual_seed(0)
    w = torch.randn(20, 500)
    seen = look(w, 1 / w)
    assert seen["overlap"] == {"0.001": 1, "0.01": 1, "0.1": 1} and seen["low"] == 1
    assert seen["gradient"] == sorted(seen["gradient"], reverse=True)
    order = w.abs().flatten().sort().values
    assert seen["ratio"] == pytest.approx(float(order[0] / order[-1]), rel=1e-3)
    assert seen["magnitude"][0] == pytest.approx(float(order[499]), rel=1e-3)


def test_gradients_that_ignore_magnitude_overlap_by_chance():
    torch.manual_seed(1)
    seen = look(torch.randn(300, 300), torch.randn(300, 300))
    chance, entries = 0.1, 90000  # hypergeometric: deviation of the share among 9000 draws
    deviation = math.sqrt(chance * (1 - chance) / (chance * entries))
    assert abs(seen["overlap"]["0.1"] - chance) < 5 * deviation
    assert look(torch.zeros(50, 50), torch.ones(50, 50))["ratio"] is None


def test_nanoadam_changes_the_smallest_weights_alone(probed):
    _, nano = groups(probed[0])
    rows = [row for row in nano.changes[min(nano.changes)].values() if any(row)]
    assert rows and all(row[0] > 0 and row[0] > 5 * max(row[3:]) for row in rows)


def test_the_report_writes_page_and_figures_of_probes_without_any_record(probed, capsys):
    root, runs, _ = probed
    written = studies.pages([], root)
    assert list(written) == [root / "studies" / "mechanism" / "README.md"]
    assert "split-digits nanoadam, from scratch" in next(iter(written.values()))
    drawn = studies.figures([], root, written)
    assert {path.stem for path in drawn} == set(FIGURES)
    words = [
        "--tier",
        "smoke",
        "--strategy",
        "adamw,nanoadam",
        "--seeds",
        "2",
        "--results",
        str(root),
        "--dry-run",
    ]
    assert run.main([*words, "--set", "probe.magnitude=true"]) == 0
    assert "4 runs, 3 measured" in capsys.readouterr().out
    assert run.main(words) == 0 and "4 runs, 0 measured" in capsys.readouterr().out
    broken = probes.path_of(replace(runs[0], seed=9), probes.folder(root))
    broken.write_text("{")
    assert len(groups(root)) == 2
    assert (
        run.main(
            [
                "--tier",
                "smoke",
                "--strategy",
                "adamw",
                "--seeds",
                "0,",
                "--results",
                str(root),
                "--set",
                "probe.magnitude=maybe",
            ]
        )
        == 2
    )
    broken.unlink()
