"""Texts with labels, from files of each format."""

import json

import numpy as np
import pytest
from encoders import write_texts

from nanocl.data import DataMissing, fingerprint, load, text
from nanocl.records import UserError

pytestmark = pytest.mark.usefixtures("own_cache")

TRAIN = [("a red, round one", "red"), ('she said "blue"', "blue"), ("größer — 大", "red")]
TEST = [("red\tagain", "red"), ("blue", "blue")]


def quoted(cell):
    return '"' + cell.replace('"', '""') + '"'


def lines(rows, form, columns=("text", "label")):
    """Rows as a file of one format, written without the modules under test."""
    objects = [dict(zip(columns, row, strict=True)) for row in rows]
    if form == "json":
        return json.dumps(objects)
    if form == "jsonl":
        return "".join(json.dumps(entry) + "\n" for entry in objects)
    if form == "csv":
        return "".join(",".join(map(quoted, row)) + "\r\n" for row in [columns, *rows])
    return "".join("\t".join(row) + "\n" for row in [columns, *rows])


def write(folder, form, *, train=TRAIN, test=TEST, **options):
    folder.mkdir(parents=True, exist_ok=True)
    for split, rows in (("train", train), ("test", test)):
        content = lines(rows, form, **options).encode()
        (folder / f"{split}.{form}").write_bytes(content)
    return folder


def texts_of(data, split):
    """(text, class name) of the samples of a split, read back from their bytes."""
    inputs = getattr(data, f"{split}_inputs")
    labels = getattr(data, f"{split}_labels")
    return [
        (row.tobytes().rstrip(b"\0").decode(), data.classes[label])
        for row, label in zip(inputs, labels, strict=True)
    ]


@pytest.mark.parametrize("columns", [("text", "label"), ("sentence", "category")])
@pytest.mark.parametrize("form", ["csv", "jsonl", "json"])
def test_every_format_gives_the_same_texts_labels_and_fingerprint(tmp_path, form, columns):
    write(tmp_path / "things", form, columns=columns)
    data = load("things", tmp_path)
    assert texts_of(data, "train") == TRAIN and texts_of(data, "test") == TEST
    assert data.classes == ("blue", "red") and data.train_labels.tolist() == [1, 0, 1]
    write(tmp_path / "other" / "things", "json")
    assert fingerprint("things", tmp_path / "other") == data.fingerprint


def test_quotes_in_a_tsv_file_are_characters(tmp_path):
    rows = [('an "open quote', "0"), ("plain", "1")]
    write(tmp_path / "things", "tsv", train=rows, test=rows)
    assert texts_of(load("things", tmp_path), "train") == rows


def test_the_fingerprint_depends_on_texts_labels_and_splits_not_on_their_order(tmp_path):
    first = fingerprint("things", write(tmp_path / "0" / "things", "csv").parent)
    changes = [
        {"train": TRAIN[::-1]},
        {"train": [("a red, round onE", "red"), *TRAIN[1:]]},
        {"train": [(TRAIN[0][0], "blue"), *TRAIN[1:]]},
        {"train": [*TRAIN, TEST[0]]},
    ]
    changed = [
        fingerprint("things", write(tmp_path / str(number) / "things", "csv", **change).parent)
        for number, change in enumerate(changes, 1)
    ]
    assert changed[0] == first and len({first, *changed[1:]}) == 4


def test_numbers_as_labels_are_numbered_by_value(tmp_path):
    rows = [(f"text {label}", label) for label in (10, 9, 100)]
    write(tmp_path / "things", "json", train=rows, test=rows)
    data = load("things", tmp_path)
    assert data.classes == ("9", "10", "100") and data.train_labels.tolist() == [1, 0, 2]


def test_the_in_scope_splits_of_clincs_own_file_are_read(tmp_path):
    folder = tmp_path / "clinc150"
    folder.mkdir()
    parts = {"train": TRAIN, "val": TEST, "test": TEST, "oos_train": [["what", "oos"]]}
    (folder / "data_full.json").write_text(json.dumps(parts))
    data = load("clinc150", tmp_path)
    assert texts_of(data, "train") == TRAIN and texts_of(data, "test") == TEST
    assert not data.official


def test_a_data_set_is_found_at_any_depth_of_the_folder_text(tmp_path):
    write(tmp_path / "text" / "benchmark" / "group" / "things", "csv")
    assert texts_of(load("things", tmp_path), "train") == TRAIN
    write(tmp_path / "text" / "things", "csv")
    with pytest.raises(UserError, match="two folders hold a text data set 'things'"):
        load("things", tmp_path)
    own = write(tmp_path / "things", "csv", train=TEST)
    assert texts_of(load("things", own.parent), "train") == TEST, "the data root itself comes first"


def test_a_changed_file_is_read_again(tmp_path):
    write_texts(tmp_path / "things", (0, 1))
    before = fingerprint("things", tmp_path)
    with (tmp_path / "things" / "train.csv").open("a") as file:
        file.write("one more,class0\n")
    assert fingerprint("things", tmp_path) != before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": [*TRAIN, ("  ", "red")]}, r"train\.json, entry 4: a text must be .* got '  '"),
        ({"train": [*TRAIN, (3, "red")]}, r"entry 4: a text must be a string .* got '3'"),
        ({"train": [*TRAIN, ("x", 1.5)]}, r"entry 4: a label must be .* got 1\.5"),
        ({"train": [*TRAIN, ("x", "")]}, r"entry 4: a label must be .* got ''"),
        ({"train": [*TRAIN, ("x\0", "red")]}, r"entry 4: a text must be"),
        ({"train": [*TRAIN, ("\ud800", "red")]}, r"entry 4: .*surrogate"),
        ({"test": [*TEST, ("x", "green")]}, r"no text of class 'green' in train"),
        ({"train": [*TRAIN, ("x", "green")]}, r"no text of class 'green' in test"),
        ({"test": []}, r"has no texts in test"),
        ({"train": [("x", "red")], "test": [("y", "red")]}, r"has a single class, 'red', "),
    ],
)
def test_a_wrong_sample_is_named_in_one_line_and_nothing_is_cached(
    tmp_path, cached, change, message
):
    write(tmp_path / "things", "json", **change)
    with pytest.raises(UserError, match=message) as caught:
        load("things", tmp_path)
    assert "\n" not in str(caught.value) and cached() == []


def test_a_missing_or_doubled_file_is_named(tmp_path):
    folder = write(tmp_path / "things", "csv")
    (folder / "test.json").write_text("[]")
    with pytest.raises(UserError, match=r"got test\.csv and test\.json in .*things"):
        load("things", tmp_path)
    (folder / "test.csv").unlink()
    (folder / "test.json").unlink()
    with pytest.raises(UserError, match=r"one file test\..* got none in .*things"):
        load("things", tmp_path)
    with pytest.raises(DataMissing, match=r"nothing/\{train,test\}\.\{csv,tsv,jsonl,json\}"):
        load("nothing", tmp_path)


def test_texts_that_are_too_long_are_refused_before_memory_is_taken(tmp_path, monkeypatch):
    write(tmp_path / "things", "csv")
    monkeypatch.setattr(text, "LONGEST", 10)
    with pytest.raises(UserError, match=r"line 2: a text of 16 characters; at most 10 are read"):
        load("things", tmp_path)
    with pytest.raises(UserError, match="GiB of memory"):
        text.filled([b"x"] * 2, 2**60, np.uint8, 0)


def test_a_folder_with_images_stays_an_image_folder(tmp_path):
    from pictures import pictures, write_folder

    write_folder(tmp_path / "things", pictures())
    (tmp_path / "things" / "train.csv").write_text("id,label\n0,ant\n")
    assert load("things", tmp_path).train_inputs.ndim == 4
