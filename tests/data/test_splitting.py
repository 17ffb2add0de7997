"""A data set without test data is split on request, by class, as its name states."""

import shutil

import numpy as np
import pytest
from pictures import pictures, write_folder, write_zip

from nanocl import data
from nanocl.data import placement
from nanocl.data.splitting import Request, draw, normalised, parsed
from nanocl.records import UserError

pytestmark = pytest.mark.usefixtures("no_network")


CLASSES = ("ant", "bee", "cow")


def unsplit(count=10, outer=""):
    """Files of class folders without train/ and test/."""
    files = pictures(train=count, test=0, classes=CLASSES)
    return {outer + path.removeprefix("train/"): content for path, content in files.items()}


def rows_of(arrays):
    return {row.tobytes() for row in arrays}


@pytest.mark.parametrize(
    "lay_out",
    [
        lambda root: write_folder(root / "insects", unsplit()),
        lambda root: write_zip(root / "insects.zip", unsplit()),
        lambda root: write_zip(root / "insects.zip", unsplit(outer="outer/")),
        lambda root: write_folder(root / "insects", pictures(train=10, test=0, classes=CLASSES)),
        lambda root: write_folder(root / "insects" / "outer", unsplit()),
    ],
    ids=["folder", "zip", "zip with outer folder", "train alone", "outer folder"],
)
def test_the_stated_share_of_each_class_is_held_out(tmp_path, lay_out):
    lay_out(tmp_path)
    made = data.load("insects:test=0.2", tmp_path)
    assert made.classes == CLASSES
    assert np.bincount(made.train_labels).tolist() == [8, 8, 8]
    assert np.bincount(made.test_labels).tolist() == [2, 2, 2]
    train, test = rows_of(made.train_inputs), rows_of(made.test_inputs)
    assert len(train) == 24 and len(test) == 6 and not train & test
    assert made.facts()["name"] == "insects:test=0.2"
    again = data.load("insects:test=0.2:seed=0", tmp_path)
    other = data.load("insects:test=0.2:seed=1", tmp_path)
    larger = data.load("insects:test=0.5", tmp_path)
    assert again.fingerprint == made.fingerprint
    assert len({made.fingerprint, other.fingerprint, larger.fingerprint}) == 3
    assert train | test == rows_of(other.train_inputs) | rows_of(other.test_inputs)


@pytest.mark.parametrize("place", ["texts.csv", "texts/all.csv", "texts/train.csv"])
def test_one_file_of_texts_is_split(tmp_path, place):
    lines = [f"word {number},{number % 2}" for number in range(20)]
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(["text,label", *lines]) + "\n")
    made = data.load("texts:test=.25", tmp_path)
    assert np.bincount(made.train_labels).tolist() == [8, 8]
    assert np.bincount(made.test_labels).tolist() == [2, 2]
    found = placement.files_of(made.name, tmp_path)
    files = {name: file.read_bytes() for name, file in found.items()}
    shutil.rmtree(tmp_path / ".nanocl")
    placed = placement.place(placement.key_of(files), lambda: files)
    assert data.fingerprint(made.name, placed) == made.fingerprint


@pytest.mark.parametrize(
    "name",
    ["a:", "a:0.2", "a:test=0", "a:test=1", "a:test=1.5", "a:test=.2:seed=x", ":test=.1"],
)
def test_another_form_is_refused_with_the_right_one(tmp_path, name):
    with pytest.raises(UserError, match=r"has the form NAME:test=0.2 or NAME:test=0.2:seed=3"):
        data.load(name, tmp_path)


def test_names_stand_in_lists_and_with_classes():
    assert parsed("a") == ("a", None)
    assert parsed("a:test=0.3:seed=7") == ("a", Request(0.3, 7))
    assert data.parse_names("a:test=0.3[0-1],b") == [("a:test=0.3", range(2)), ("b", None)]


def test_what_has_test_data_is_not_split(tmp_path):
    write_folder(tmp_path / "insects", pictures())
    write_zip(tmp_path / "birds.zip", {f"o/{path}": one for path, one in pictures().items()})
    (tmp_path / "texts").mkdir()
    for split in ("train", "test"):
        (tmp_path / "texts" / f"{split}.csv").write_text("text,label\na,b\n")
    for name in ("insects", "birds", "texts", "digits"):
        with pytest.raises(UserError, match="leave out what follows the colon") as raised:
            data.load(f"{name}:test=0.2", tmp_path)
        assert "\n" not in str(raised.value)


def test_a_class_of_one_sample_and_files_outside_classes_are_refused(tmp_path):
    write_folder(tmp_path / "few", unsplit(count=1))
    with pytest.raises(UserError, match="at least 2 samples of each class, class ant has one"):
        data.load("few:test=0.2", tmp_path)
    write_folder(tmp_path / "loose", {**unsplit(), "x.png": next(iter(unsplit().values()))})
    with pytest.raises(UserError, match=r"x.png in .*loose is in no class folder"):
        data.load("loose:test=0.2", tmp_path)
    for name in ("one.csv", "two.csv"):
        (tmp_path / "texts").mkdir(exist_ok=True)
        (tmp_path / "texts" / name).write_text("text,label\na,b\n")
    with pytest.raises(UserError, match=r"is one file, got .*one.csv and .*two.csv"):
        data.load("texts:test=0.2", tmp_path)


def test_without_the_request_every_message_says_how_to_ask(tmp_path):
    write_folder(tmp_path / "insects", unsplit())
    write_zip(tmp_path / "birds.zip", unsplit())
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "train.csv").write_text("text,label\na,b\n")
    (tmp_path / "loose.csv").write_text("text,label\na,b\n")
    for name in ("insects", "birds", "texts", "loose"):
        with pytest.raises(UserError, match=f"name it {name}:test=0.2 to hold out a fifth"):
            data.load(name, tmp_path)
    with pytest.raises(data.DataMissing, match=r"none/<class>/\*") as raised:
        data.load("none:test=0.2", tmp_path)
    assert "none.csv" in str(raised.value).replace("{csv,tsv,jsonl,json}", "csv")


def test_of_a_small_class_one_row_is_held_out_and_of_one_row_none_can_be():
    for count, share, held in ((3, 0.1, 1), (2, 0.9, 1), (10, 0.1, 1), (30, 0.1, 3)):
        used, out = draw(np.full(count, 4), 0, share, seed=(0,))
        assert (len(used), len(out)) == (count - held, held)
    with pytest.raises(ValueError, match=r"validation .* got 0.1 of 1 samples of class 4"):
        draw(np.array([4]), 0, 0.1, seed=(0,))


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("a:test=0.20", "a:test=0.2"),
        ("a:test=.2:seed=0", "a:test=0.2"),
        ("a:test=0.050:seed=007", "a:test=0.05:seed=7"),
        ("a:test=0.2,b:test=.50:seed=3,c", "a:test=0.2,b:test=0.5:seed=3,c"),
        ("a:test=0.20[0-4]", "a:test=0.2[0-4]"),
        ("a:test=0.0", "a:test=0.0"),
        ("a:test=0.2:seed=x", "a:test=0.2:seed=x"),
        ("a:test=0.20:other=1", "a:test=0.20:other=1"),
    ],
)
def test_a_split_has_one_name_however_it_is_written(written, normal):
    assert normalised(written) == normal == normalised(normal)
    if "," not in written and normal != written and "[" not in written:
        assert parsed(written)[1] == parsed(normal)[1]


@pytest.mark.parametrize("outer", ["", "insects/"])
@pytest.mark.parametrize("name", ["train", "test"])
def test_a_class_called_train_or_test_beside_others_is_a_class(tmp_path, name, outer):
    files = {
        path.replace("bee/", f"{name}/"): content for path, content in unsplit(outer=outer).items()
    }
    write_folder(tmp_path / "insects", files)
    made = data.load("insects:test=0.2", tmp_path)
    assert made.classes == tuple(sorted(["ant", "cow", name]))
    assert np.bincount(made.train_labels).tolist() == [8, 8, 8]


def test_class_folders_of_which_two_are_called_train_and_test_are_refused_with_what_to_rename(
    tmp_path,
):
    names = {"ant/": "train/", "bee/": "test/"}
    for count in (2, 3):
        files = unsplit()
        for old, new in [*names.items()][:count]:
            files = {path.replace(old, new): content for path, content in files.items()}
        if count == 2:
            files = {path: one for path, one in files.items() if "cow" not in path}
        write_folder(tmp_path / f"insects{count}", files)
        with pytest.raises(UserError, match=r"classes called train and test.*rename"):
            data.load(f"insects{count}:test=0.2", tmp_path)


def test_a_train_folder_of_folders_beside_images_is_refused_as_it_may_be_either(tmp_path):
    files = {f"train/{path}": one for path, one in unsplit().items()} | {
        path: one for path, one in unsplit().items() if "cow" in path
    }
    write_folder(tmp_path / "insects", files)
    with pytest.raises(UserError, match=r"folders in train/, and images in cow/: rename train/ if"):
        data.load("insects:test=0.2", tmp_path)


def test_one_class_folder_called_train_is_no_split(tmp_path):
    files = {
        path.replace("ant/", "train/"): one for path, one in unsplit().items() if "ant" in path
    }
    write_folder(tmp_path / "insects", files)
    with pytest.raises(UserError, match="is in no class folder"):
        data.load("insects:test=0.2", tmp_path)
