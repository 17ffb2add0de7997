"""A pretrained backbone is trained once for each setting that decides its weights."""

import hashlib
import random
import warnings
from dataclasses import replace

import pytest
import torch
from killed import ALWAYS, killed_after
from safetensors.torch import load_file
from small_runs import spec
from torch import nn

from nanocl.records import Part
from nanocl.training import experiment, pretraining, verified
from nanocl.training.context import Context

MODEL = Part(
    "mlp",
    {
        "pretrain": "digits",
        "pretrain_epochs": 1,
        "pretrain_lr": 0.05,
        "pretrain_batch_size": 64,
    },
    pretrained_on="0123456789abcdef",
)


TWO_EPOCHS = replace(MODEL, options={**MODEL.options, "pretrain_epochs": 2})


class Flat(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.features = 16
        self.layer = nn.Linear(int(torch.tensor(inputs).prod()), 16)

    def forward(self, inputs):
        return self.layer(inputs.flatten(1)).relu()


def weights(tmp_path, model=MODEL, make=Flat, minutes=0.0):
    return pretraining.weights_of(model, {}, make, tmp_path, minutes=minutes)


def killed(monkeypatch, tmp_path, steps):
    """Kill pretraining after this number of steps and checkpoints."""
    with killed_after(monkeypatch, verified, "write", steps):
        weights(tmp_path, TWO_EPOCHS, minutes=ALWAYS)


def fail(inputs):
    raise AssertionError("trained again")


def test_the_second_call_reads_the_file_and_the_weights_classify_their_data(tmp_path):
    path = weights(tmp_path)
    assert path.parent == tmp_path / ".nanocl"
    assert weights(tmp_path, make=fail) == path
    state = load_file(path)
    assert set(state) == {
        "backbone.layer.weight",
        "backbone.layer.bias",
        "head.0.weight",
        "head.0.bias",
    }


def test_training_twice_gives_the_same_bits(tmp_path):
    first, second = (load_file(weights(tmp_path / name)) for name in ("one", "two"))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_each_setting_that_decides_the_weights_has_a_file_of_its_own(tmp_path):
    models = [
        MODEL,
        replace(MODEL, options={**MODEL.options, "pretrain_epochs": 2}),
        replace(MODEL, plugin="an edited file"),
        replace(MODEL, version=2),
        replace(MODEL, pretrained_on="other data"),
    ]
    assert len({weights(tmp_path, model) for model in models}) == len(models)


def test_the_callers_random_numbers_are_not_disturbed(tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    weights(tmp_path)
    assert torch.equal(torch.rand(3), expected)


def test_pretraining_that_was_cut_goes_on_bit_for_bit(tmp_path, monkeypatch):
    whole = weights(tmp_path / "whole", TWO_EPOCHS).read_bytes()
    killed(monkeypatch, tmp_path, steps=5)
    killed(monkeypatch, tmp_path, steps=23)  # in the second epoch
    steps = []
    step = torch.optim.SGD.step
    monkeypatch.setattr(torch.optim.SGD, "step", lambda self: steps.append(1) or step(self))
    path = weights(tmp_path, TWO_EPOCHS)
    assert path.read_bytes() == whole
    assert len(steps) == 2 * 23 - 28  # of 23 steps an epoch
    assert [file.name for file in path.parent.glob("pretrained*")] == [path.name]


def test_a_damaged_checkpoint_of_pretraining_is_named_and_it_starts_again(tmp_path, monkeypatch):
    whole = weights(tmp_path / "whole", TWO_EPOCHS).read_bytes()
    killed(monkeypatch, tmp_path, steps=5)
    (part,) = (tmp_path / ".nanocl").glob("*.part.pt")
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.warns(UserWarning, match="pretraining again, .*part.pt is not usable"):
        assert weights(tmp_path, TWO_EPOCHS).read_bytes() == whole


def test_a_flipped_bit_in_pretrained_weights_is_named_and_they_are_trained_again(tmp_path):
    path, rng = weights(tmp_path), random.Random(0)
    whole = path.read_bytes()
    for _ in range(10):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        with pytest.warns(UserWarning, match="pretraining again, .*safetensors is not usable"):
            assert weights(tmp_path).read_bytes() == whole
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert weights(tmp_path, make=fail) == path


def test_the_record_names_the_file_of_weights_that_the_run_started_from(tmp_path):
    run = spec(settings={"model": {"pretrain": "digits", "pretrain_epochs": "1"}})
    result = experiment.run_one(run, Context(data_root=tmp_path))
    (path,) = (tmp_path / ".nanocl").glob("pretrained-*.safetensors")
    assert result.weights == hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    assert experiment.run_one(spec(), Context()).weights == ""
