"""Token numbers beyond the vocabulary of a model are named before any training."""

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import nanocl
from nanocl.records import UserError
from nanocl.streams import make_scenario
from nanocl.training import tokens
from nanocl.training.tokens import check_tokens

MODEL = """
import torch
from torch import nn
class Words(nn.Module):
    def __init__(self, padding=False):
        super().__init__()
        self.words, self.features, self.padding = nn.Embedding(20, 4), 4, padding
    def forward(self, rows):
        return self.words(rows.clamp(0) if self.padding else rows).mean(1)
def make_words(inputs, *, padding: bool = False):
    return Words(padding)
"""


def rows(number, label=0, count=8):
    tokens = torch.arange(count * 3).view(count, 3) % 20
    tokens[5, 1] = number
    return tokens, torch.arange(count) % 2 + label


def run(tmp_path, stream, **options):
    path = tmp_path / "words.py"
    path.write_text(MODEL)
    return nanocl.run(
        stream,
        "sgd",
        seeds=1,
        model=f"{path}:make_words",
        set={"training.epochs": 1, **options},
        data_root=tmp_path,
        results=tmp_path / "results",
        workers=1,
        progress=False,
    )


@pytest.mark.parametrize(
    ("trained", "tested", "named"),
    [
        (30, 19, r"largest token number of stream\[1\]\[0\] is 30"),
        (19, 25, r"largest token number of stream\[1\]\[1\] is 25"),
        (-1, 19, r"smallest token number of stream\[1\]\[0\] is -1"),
    ],
)
def test_the_data_set_the_number_and_the_vocabulary_are_named(tmp_path, trained, tested, named):
    stream = [(rows(19), rows(19)), (rows(trained, 2), rows(tested, 2))]
    with pytest.raises(UserError, match=named + ", but the model has a vocabulary of 20, "):
        run(tmp_path, stream)


def test_a_model_that_takes_negative_numbers_as_padding_is_trained(tmp_path):
    stream = [(rows(-1), rows(-1)), (rows(19, 2), rows(-1, 2))]
    results = run(tmp_path, stream, **{"model.padding": True})
    assert [one.status for one in results] == ["ok"]


class Table(nn.Module):
    """Reads its rows without an embedding."""

    def forward(self, rows):
        return torch.zeros(20, 4)[rows].mean(1)


def test_other_errors_of_a_model_are_left_to_training():
    pairs = TensorDataset(*rows(30))
    scenario = make_scenario(kind="class", train=[pairs], test=[pairs])
    model = Table()
    check_tokens(model, scenario, is_own=False)
    assert model.training


def test_data_that_only_avalanche_can_read_are_left_to_training(monkeypatch):
    pairs = TensorDataset(*rows(30))
    scenario = make_scenario(kind="class", train=[pairs], test=[pairs])
    with pytest.raises(UserError, match="train data of experience 1 is 30"):
        check_tokens(nn.Embedding(20, 4), scenario, is_own=False)
    monkeypatch.setattr(tokens, "tensor_parts", lambda dataset: None)
    check_tokens(nn.Embedding(20, 4), scenario, is_own=False)
