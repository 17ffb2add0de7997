"""A stream may be given as data: it is stored, run and recorded, or one sentence says why not."""

import json

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, IterableDataset, Subset, TensorDataset

import nanocl
from nanocl.api.experiences import store
from nanocl.boards.names import rows_of
from nanocl.data import tensors
from nanocl.data.conversion import as_tensors
from nanocl.records import UserError
from nanocl.reporting.leaderboard import leaderboard
from nanocl.reporting.summaries import summarise

X = torch.arange(24.0).view(8, 3)
Y = torch.tensor([0, 1] * 4)
GOOD = (X, Y)


class Listed(Dataset):
    def __init__(self, samples):
        self.samples = samples

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return self.samples[index]


class Endless(IterableDataset):
    def __iter__(self):
        yield from ()


@pytest.mark.parametrize(
    "form",
    [
        TensorDataset(X.double(), Y.int()),
        Subset(TensorDataset(X, Y), range(8)),
        Listed([(x, int(y)) for x, y in zip(X, Y, strict=True)]),
        (X.numpy(), Y.numpy()),
        (X.numpy().astype(">f4"), Y.numpy()[::-1].copy()[::-1]),
        [X.requires_grad_(False), Y.bool()],
        as_tensors(TensorDataset(X, Y), 5),
    ],
)
def test_every_form_of_the_same_data_is_the_same_stream(tmp_path, form):
    expected = store([(GOOD, GOOD)], tmp_path)
    assert store([(form, form)], tmp_path) == expected and expected.scenario == "class"
    (read,) = tensors.read(expected.name, tmp_path)
    assert np.array_equal(read.test_inputs, X.numpy())


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        ({}, r"stream takes a name, .* got dict"),
        (iter([]), r"stream takes a name, .* got list_iterator"),
        ([], r"stream has no experiences; write \[\(train, test\), ...\]"),
        ([GOOD], r"stream\[0\] must be \(training data, test data\), .* got \(Tensor, Tensor\)"),
        ([TensorDataset(X, Y)], r"stream\[0\] must be .* got TensorDataset"),
        ([(GOOD, None)], r"stream\[0\] must be .* got \(tuple, NoneType\)"),
        ([(GOOD, GOOD), (GOOD, (X[:0], Y[:0]))], r"stream\[1\]\[1\] has no samples"),
        ([(GOOD, Listed([]))], r"stream\[0\]\[1\] has no samples"),
        ([(GOOD, (X, Y[:3]))], r"stream\[0\]\[1\] has 8 inputs and 3 targets"),
        ([(GOOD, (X[:, :2], Y))], r"inputs of stream\[0\]\[1\] are float32 of shape \(2,\) each"),
        ([(GOOD, GOOD), ((X, X), (X, X))], r"targets of stream\[1\]\[0\] are float32 of shape"),
        ([((X, Y.float()), GOOD)], r"must be whole numbers, class labels of shape \(samples,\)"),
        ([((X, Y - 1), GOOD)], r"class labels of stream\[0\]\[0\] must .* at least 0"),
        ([((X, X.long()), GOOD)], r"class labels of stream\[0\]\[0\] must have the shape"),
        ([((X.numpy(), np.array(["a"] * 8)), GOOD)], r"stream\[0\]\[0\] must hold numbers"),
        ([((X, Y + 1j), GOOD)], r"stream\[0\]\[0\] must hold real targets, got torch.complex64"),
        ([((np.ma.masked_less(X.numpy(), 3), Y), GOOD)], r"must hold numbers: .* masked values"),
        ([((X.to_sparse(), Y), GOOD)], r"stream\[0\]\[0\] must hold dense tensors"),
        ([((X, Y), (X, Y + 1))], r"stream\[0\] tests class 2, which it does not train"),
        ([((X, Y), (X.to("meta"), Y))], r"stream\[0\]\[1\] is on the meta device, .* with values"),
        ([(Listed([(X[0].to("meta"), 0)]), GOOD)], r"stream\[0\]\[0\]: .* on the meta device"),
        ([((X * float("nan"), Y), GOOD)], r"stream\[0\]\[0\] has a value that is not finite"),
        ([((X, Y[0]), GOOD)], r"stream\[0\]\[0\] must have one input and one target for each"),
        ([((X[:, 0], Y), GOOD)], r"inputs of stream\[0\]\[0\] must be real tensors"),
        ([(Listed([(X[0], "cat")]), GOOD)], r"^stream\[0\]\[0\]: the samples of Listed must"),
        ([(Listed([("image", 0)]), GOOD)], r"images become tensors with torchvision"),
        ([(Listed([(X[0], 0), (X[0, :2], 0)]), GOOD)], r"must have one shape"),
        ([(Endless(), GOOD)], r"stream\[0\]\[0\]: a data set must have __len__"),
        (
            [((X, 10**9 * Y), (X, 10**9 * Y))],
            r"has 2 classes with labels up to 1000000000, .* the classes 0 to 1",
        ),
        ([((X, Y, Y), GOOD)], r"stream\[0\]\[0\] must be a data set .* got a tuple of 3"),
    ],
)
def test_what_makes_no_stream_is_refused_in_one_sentence(stream, said, tmp_path):
    with pytest.raises(UserError, match=said) as raised:
        nanocl.run(stream, "sgd", data_root=tmp_path, progress=False)
    assert "\n" not in str(raised.value) and not [*tmp_path.rglob("*.safetensors")]


TOKEN_MODEL = """
from torch import nn
class Words(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.table = nn.Embedding(50, 8)
        self.features = 8
    def forward(self, tokens):
        return self.table(tokens).mean(1)
"""


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_token_numbers_reach_an_embedding_as_integers_and_are_refused_by_another_model(
    tmp_path, dtype
):
    labels = torch.arange(64) % 4
    tokens = (12 * labels[:, None] + torch.arange(64 * 3).view(64, 3) % 12).to(dtype)
    parts = [labels < 2, labels >= 2]
    stream = [((tokens[part], labels[part]),) * 2 for part in parts]
    (tmp_path / "words.py").write_text(TOKEN_MODEL)
    asked = {"results": tmp_path / "out", "data_root": tmp_path, "progress": False, "seeds": 1}
    asked |= {"scenario": "task", "set": {"training.epochs": 60, "training.batch_size": 8}}
    (found,) = nanocl.run(stream, "er", model=str(tmp_path / "words.py"), **asked)
    assert found.evaluation[-1][1] > 0.9, "the tokens tell the classes"
    with pytest.raises(UserError, match=r"mlp cannot take integers, got torch\.int") as refused:
        nanocl.run(stream, "sgd", model="mlp", **asked)
    assert r"(inputs.float())" in str(refused.value) and "\n" not in str(refused.value)


def test_images_as_bytes_and_other_small_types_become_float32(tmp_path):
    for dtype in (torch.uint8, torch.int16, torch.float16, torch.bool):
        pair = ((X > 11).to(dtype), Y)
        (read,) = tensors.read(store([(pair, pair)], tmp_path).name, tmp_path)
        assert read.train_inputs.dtype == np.float32


def test_labels_with_gaps_are_taken_as_they_are(tmp_path):
    pair = (X, 500 * Y)
    (read,) = tensors.read(store([(pair, pair)], tmp_path).name, tmp_path)
    assert {*read.train_targets} == {0, 500}


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A folder with the records of two streams, each asked for twice."""
    folder = tmp_path_factory.mktemp("own_data")
    (folder / "data").mkdir()
    generator = torch.Generator().manual_seed(0)
    stream = []
    for first in (0, 2):
        labels = first + torch.arange(32) % 2
        inputs = torch.randn(32, 5, generator=generator) + labels[:, None]
        stream.append(((inputs, labels), TensorDataset(inputs, labels)))
    settings = {"seeds": 1, "results": folder / "out", "data_root": folder / "data"}
    for _ in range(2):
        nanocl.run(stream, "sgd", scenario="task", progress=False, **settings)
        nanocl.run([((X, X), (X, X))], "sgd", progress=False, **settings)
    return folder


def test_a_record_has_its_whole_spec_and_a_second_call_measures_nothing(measured):
    results = nanocl.load_results(measured / "out")
    assert len(results) == 2  # the second call found the same digests
    by_scenario = {run.spec.scenario: run for run in results}
    labels, floats = by_scenario["task"], by_scenario["domain"]
    assert labels.spec.stream.options == {"data": labels.data[0]["name"], "validation": 0.0}
    assert labels.spec.data == labels.data[0]["fingerprint"]
    assert len(labels.evaluation) == 2 and labels.measure == "accuracy"
    assert floats.measure == "loss"
    stored = sorted(path.name for path in (measured / "data" / ".nanocl").iterdir())
    assert stored == sorted(f"{run.data[0]['name']}.safetensors" for run in results)


def test_tables_show_it_and_no_board_ranks_it(measured):
    results = nanocl.load_results(measured / "out")
    assert "tensors" in str(results) and "sgd" in results.table("accuracy")
    page = leaderboard(summarise([*results]))
    assert page.count("a stream of the caller's own data, which nobody else has: not ranked") == 2
    assert "| rank" not in page
    with pytest.raises(UserError, match="own data, which nobody else has: it is not ranked"):
        rows_of("tensors-cpu-task", measured / "out")
    records = [*(measured / "out" / "runs").rglob("*.json")]
    assert all(json.loads(path.read_text())["data"] for path in records)
