"""Data whose numbers a model does not have are named with the number and the vocabulary."""

import pytest
import torch
from torch import nn
from training_cases import LENGTH, WORDS, classified, plain_network, tiny_bert, tiny_llama, vectors
from training_cases import written as texts

from nanocl.integrations.loop import ForgettingMeter
from nanocl.integrations.reader import Reader

TOKENIZER = "make the token numbers with the tokenizer of the model"


def changed(rows, **numbers):
    """Rows with other token numbers: row, then number of the token `WORDS // 2`."""
    for row, number in numbers.items():
        rows[int(row.strip("row"))]["input_ids"][2] = number
    return rows


def start(model, tmp_path, keep, new=None):
    ForgettingMeter(keep, new=new, results=tmp_path).before(model)


@pytest.mark.parametrize(
    ("rows", "number"),
    [
        ({"row3": 31, "row12": 55}, "largest .* is 55"),
        ({"row3": -1, "row12": -5}, "smallest .* is -5"),
        ({"row3": 31, "row12": -5}, "largest .* is 31"),
    ],
)
def test_kept_tokens_beyond_the_vocabulary_are_named(tmp_path, rows, number):
    transformers = pytest.importorskip("transformers")
    match = number.replace(".*", r"token number of keep\['old'\]")
    match += f", but the model has a vocabulary of {WORDS}, numbers 0 to {WORDS - 1} .*{TOKENIZER}"
    with pytest.raises(ValueError, match=match):
        start(
            tiny_bert(transformers),
            tmp_path,
            {"fine": classified(), "old": changed(classified(), **rows)},
        )


def test_tokens_of_new_data_are_named_too(tmp_path):
    transformers = pytest.importorskip("transformers")
    bad = changed(classified(), row0=WORDS)
    with pytest.raises(ValueError, match=f"largest token number of new is {WORDS}, "):
        start(tiny_bert(transformers), tmp_path, {"old": classified()}, new=bad)


def test_the_largest_token_of_a_text_is_named_also_where_it_is_a_label(tmp_path):
    transformers = pytest.importorskip("transformers")
    data = texts()
    for row, number in ((1, 25), (10, 77)):
        data[row]["input_ids"][0] = data[row]["labels"][0] = number
    with pytest.raises(ValueError, match=r"largest token number of keep\['text'\] is 77, "):
        start(tiny_llama(transformers), tmp_path, {"text": data})


class Positions(nn.Module):
    """Looks up the place of each token."""

    def __init__(self):
        super().__init__()
        self.places = nn.Embedding(LENGTH - 1, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, inputs):
        return self.head(self.places(torch.arange(inputs.shape[1]).expand_as(inputs)).mean(1))


def test_a_number_that_the_model_made_is_no_token(tmp_path):
    rows = [(torch.tensor([0, 1, 2, 3, 5, 9]), 0)]
    match = r"keep\['old'\] does not fit .*embedding places has 5 rows, .* 5\): .* too long"
    with pytest.raises(ValueError, match=match):
        start(Positions(), tmp_path, {"old": rows})


class Changing(list):
    """The first samples are right from the second reading on."""

    readings = 0

    def __getitem__(self, index):
        self.readings += index == 0
        inputs, label = super().__getitem__(index)
        return (inputs if self.readings == 1 else inputs * 0), label


def test_data_that_fit_at_the_second_reading_have_the_error_of_the_first(tmp_path):
    model = nn.Sequential(nn.Embedding(4, 2), nn.Flatten())
    with pytest.raises(ValueError, match=r"keep\['old'\] does not fit: the embedding 0 has 4 rows"):
        start(model, tmp_path, {"old": Changing([(torch.tensor([9]), 0)])})


def test_a_label_that_is_no_output_of_the_model_is_named(tmp_path):
    pairs = [(inputs, label + 5) for inputs, label in vectors()]
    match = r"keep\['old'\] does not fit the model \(Target \d is out of bounds\); labels must be"
    with pytest.raises(ValueError, match=match):
        start(plain_network(), tmp_path, {"old": pairs})


def test_an_error_of_a_function_of_the_users_stays_as_it_is(tmp_path):
    with pytest.raises(IndexError, match="list index out of range"):
        start(plain_network(), tmp_path, {"number": lambda model: [][0]})


def test_a_sample_without_values_is_refused(tmp_path):
    with pytest.raises(ValueError, match="a sample is on the meta device, which holds no values"):
        start(plain_network(), tmp_path, {"old": [(torch.zeros(4, device="meta"), 0)]})


IGNORED = [(inputs, -100) for inputs, _ in vectors()]
WIDE = [*vectors(), (torch.zeros(5), 0)]
UNLABELLED = torch.utils.data.TensorDataset(torch.zeros(3, 4))


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (
            WIDE[24:],
            r"\(.*cannot be multiplied.*\); its sample 0 is \(float32 \[5\], int\); .* shapes",
        ),
        ([(torch.zeros(4), "a")], r".*its sample 0 is \(float32 \[4\], the text 'a'\)"),
        (UNLABELLED, r"needs labels .*; its sample 0 is \(float32 \[4\]\)$"),
        ([torch.zeros(4)], r"needs labels .*; its sample 0 is float32 \[4\]$"),
        (IGNORED, r"has no sample with a label that counts \(-100 does not\)"),
    ],
)
def test_kept_data_that_cannot_be_measured_are_named_with_what_they_are(tmp_path, data, match):
    with pytest.raises(ValueError, match=r"^keep\['a'\] (cannot be .* model )?" + match):
        start(plain_network(), tmp_path, {"fine": vectors(), "a": data})


def test_new_data_that_cannot_be_measured_are_named(tmp_path):
    for data, match in ((WIDE[24:], "cannot be measured"), (IGNORED, "has no sample with a label")):
        with pytest.raises(ValueError, match=f"^new {match}"):
            start(plain_network(), tmp_path, {"a": vectors()}, new=data)


def test_of_new_data_by_task_the_task_is_named(tmp_path):
    for data, match in ((WIDE[24:], "cannot be measured"), (IGNORED, "has no sample with a label")):
        with pytest.raises(ValueError, match=rf"^new\['task 1'\] {match}"):
            start(plain_network(), tmp_path, {"a": vectors()}, new={"task 1": data})


def test_the_first_sample_that_does_not_fit_is_named(tmp_path):
    rows = [*vectors(count=3), (torch.zeros(5), 0), (torch.zeros(6), 0)]

    def padded(samples):
        width = max(len(inputs) for inputs, _ in samples)
        inputs = [nn.functional.pad(one, (0, width - len(one))) for one, _ in samples]
        return torch.stack(inputs), torch.tensor([label for _, label in samples])

    meter = ForgettingMeter({"a": rows}, results=tmp_path, reader=Reader(collate=padded))
    with pytest.raises(ValueError, match=r"its sample 3 is \(float32 \[5\], int\)"):
        meter.before(plain_network())


def test_samples_that_are_too_long_are_named(tmp_path):
    transformers = pytest.importorskip("transformers")
    rows = [{"input_ids": torch.ones(LENGTH + 3).long(), "labels": 0}]
    with pytest.raises(
        ValueError, match=r"^keep\['a'\] .* \{input_ids: int64 \[9\], labels: int\}"
    ):
        start(tiny_bert(transformers), tmp_path, {"a": rows})


def test_samples_that_only_together_do_not_fit_are_named_with_the_remedy(tmp_path):
    transformers = pytest.importorskip("transformers")
    rows = [{"input_ids": torch.ones(length).long(), "labels": 0} for length in (3, 4)]
    with pytest.raises(ValueError, match=r"^keep\['a'\] .* each sample alone .* reader=Reader"):
        start(tiny_bert(transformers), tmp_path, {"a": rows})


def test_texts_that_are_no_tokens_yet_are_named_with_the_remedy(tmp_path):
    transformers = pytest.importorskip("transformers")
    rows = [{"text": "a word", "label": 1}]
    match = (
        r"^keep\['a'\] .* \{text: the text 'a word', label: int\}; turn texts into token numbers"
    )
    with pytest.raises(ValueError, match=match):
        start(tiny_bert(transformers), tmp_path, {"a": rows})


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "None"), (torch.zeros(2), r"float32 \[2\]"), ({"x": "a"}, r"\{x: the text 'a'\}")],
)
def test_a_kept_function_that_returns_no_number_is_named(tmp_path, value, shown):
    match = rf"^the function keep\['a'\] returned {shown}; it must return a number, or a mapping"
    with pytest.raises(TypeError, match=match):
        start(plain_network(), tmp_path, {"a": lambda model: value})
