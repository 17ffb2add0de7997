"""A pretrained backbone is trained once for each setting that decides its weights."""

from dataclasses import replace

import torch
from safetensors.torch import load_file
from torch import nn

from nanocl.records import Part
from nanocl.training import pretraining

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


class Flat(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.features = 16
        self.layer = nn.Linear(int(torch.tensor(inputs).prod()), 16)

    def forward(self, inputs):
        return self.layer(inputs.flatten(1)).relu()


def weights(tmp_path, model=MODEL, make=Flat):
    return pretraining.weights_of(model, {}, make, tmp_path)


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
