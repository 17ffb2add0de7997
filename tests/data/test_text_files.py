"""Rows of tables and of JSON, and what is wrong with a file in one line."""

import pytest

from nanocl.data.text_files import clinc_rows, rows_of
from nanocl.records import UserError


def rows(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return [(text, label) for _, text, label in rows_of(path)]


def test_other_columns_and_a_byte_order_mark_are_left_out(tmp_path):
    table = b'\xef\xbb\xbfid,label,text\n7,a,"two\nlines"\n8,b,one\n'
    assert rows(tmp_path, "train.csv", table) == [("two\nlines", "a"), ("one", "b")]
    entries = '{"id": 7, "label": 3, "text": "x"}\n\n{"text": "y", "label": true}\n'
    assert rows(tmp_path, "train.jsonl", entries) == [("x", 3), ("y", True)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train.csv", "text,other\na,b\n", r"needs one column label or category, .* text, other"),
        ("train.csv", "", r"needs one column text or sentence, its header has none"),
        ("train.csv", "text,sentence,label\na,b,c\n", r"needs one column text or sentence"),
        ("train.csv", "text,label\na,b\nc\n", r"line 3: 1 cells, the header has 2"),
        ("train.csv", "text,label\na,b\nc,d,e\n", r"line 3: 3 cells, the header has 2"),
        ("train.csv", 'text,label\n"a"b,c\n', r"train\.csv, line 2: "),
        ("train.csv", 'text,label\n"a,c\n', r"train\.csv, line 2: unexpected end"),
        ("train.tsv", b"text\tlabel\na\tb\n\xff\tb\n", r"must be UTF-8, line 3 is not"),
        ("train.jsonl", '{"text": "a", "label": 1}\n{"text"\n', r"line 2 is not JSON: "),
        ("train.jsonl", "[1]\n", r"line 1 must be an object, got list"),
        ("train.json", '{"text": "a"}', r"must be a list of objects, got dict"),
        ("train.json", '[{"text": "a"}]', r"entry 1 needs one key label or category, it has text"),
        ("train.json", "[" * 100_000, r"is not JSON: "),
    ],
)
def test_a_wrong_file_is_named_in_one_line(tmp_path, name, content, message):
    with pytest.raises(UserError, match=message) as caught:
        rows(tmp_path, name, content)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", r"must have a list 'train'"),
        ('{"train": []}', r"must have a list 'test'"),
        ('{"train": [["a", "b", "c"]], "test": []}', r"train 1 must be \[text, intent\]"),
    ],
)
def test_a_file_unlike_clincs_is_named(tmp_path, content, message):
    path = tmp_path / "data_full.json"
    path.write_text(content)
    with pytest.raises(UserError, match=message):
        [*clinc_rows(path, ("train", "test"))["train"]]
