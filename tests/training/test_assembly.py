"""A learner is put together from its spec, and a mistake is found before training."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from small_runs import spec

from nanocl.protocols.pinning import pin
from nanocl.records import UserError
from nanocl.training import assembly, loop
from nanocl.training.context import Context
from nanocl.training.drift import DriftMeter
from nanocl.training.measure import Meter


def test_every_strategy_starts_from_the_same_weights_and_data():
    first, scenario = assembly.build(spec("adamw"), Context())
    second, other = assembly.build(spec("er+sgd"), Context())
    for a, b in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert scenario.classes == other.classes


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"settings": {"adamw": {"lr": "-1"}}}, "-1"),
        (
            {"scenario": "class", "settings": {"training": {"head": "own"}}},
            "head must be one of auto, seen, all",
        ),
        ({"settings": {"stream": {"experiences": "99"}}}, "99"),
        ({"settings": {"model": {"width": "0"}}}, "width"),
    ],
)
def test_an_option_out_of_its_range_is_found_before_training(values, message):
    with pytest.raises(UserError, match=message):
        assembly.check([spec(**values)], Context())


def test_cuda_without_a_gpu_is_refused_in_one_sentence(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="use --device cpu"):
        assembly.choose_device("cuda")


def test_a_size_that_no_memory_holds_is_a_mistake_in_one_sentence():
    with pytest.raises(UserError, match="adamw on split-digits: "):
        assembly.check([spec(settings={"model": {"width": str(10**15)}})], Context())


def test_data_that_changed_since_the_call_began_is_refused_with_both_fingerprints():
    (run,) = pin([spec()], None)
    assembly.build(run, Context())
    with pytest.raises(UserError, match=f"fingerprint 0123456789abcdef .* now has {run.data}"):
        assembly.build(replace(run, data="0123456789abcdef"), Context())


def test_weights_that_changed_since_the_call_began_are_refused(tmp_path):
    path = tmp_path / "start.safetensors"
    network, _ = assembly.build(spec(), Context())
    save_file(network.model.state_dict(), path)
    run = spec(settings={"model": {"weights": str(path)}})
    (run,) = pin([run], None)
    assembly.build(run, Context())
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"SHA-256 began with {run.model.weights} when"):
        assembly.build(run, Context())


def test_a_frozen_backbone_with_frozen_statistics_forgets_exactly_nothing_on_any_stream():
    """A public report elsewhere: frozen weights, drifting statistics (GPM#9, WSN#3)."""
    forgotten = {}
    for statistics in ("update", "freeze"):
        settings = {
            "model": {"norm": "batch"},
            "training": {"norm_statistics": statistics, "epochs": "1"},
        }
        run = spec("sgd", model="small-cnn", scenario="task", settings=settings)
        learner, scenario = assembly.build(run, Context())
        learner.model.backbone.requires_grad_(False)
        meter = Meter()
        drift = DriftMeter(learner.model, learner.model.head_parameters())
        rows = loop.train(learner, scenario, meter, drift=drift).evaluation
        forgotten[statistics] = [rows[j][j] - rows[-1][j] for j in range(len(rows))]
    assert forgotten["freeze"] == [0.0] * 5 != forgotten["update"]


def test_statistics_of_each_task_need_its_label_and_one_place_decides():
    settings = {"training": {"norm_statistics": "restore"}}
    with pytest.raises(UserError, match="needs the task label in the test, got the class-incr"):
        assembly.build(spec(scenario="class", settings=settings), Context())
    learner, _ = assembly.build(spec(scenario="task", settings=settings), Context())
    assert learner.statistics is not None
