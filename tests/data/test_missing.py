"""Missing data is one quick message with every place searched and every remedy."""

import time

import pytest
from pictures import pictures, write_folder

from nanocl.data import DataMissing, load
from nanocl.data.archives import ARCHIVES
from nanocl.records import UserError
from nanocl.records.roots import Folders

pytestmark = pytest.mark.usefixtures("no_network")


@pytest.mark.parametrize("name", list(ARCHIVES))
def test_missing_data_gives_one_quick_message_with_every_place_and_remedy(tmp_path, name):
    start = time.monotonic()
    with pytest.raises(DataMissing) as caught:
        load(name, tmp_path)
    assert time.monotonic() - start < 5
    message = str(caught.value)
    assert isinstance(caught.value, UserError)
    for part in (
        f"data set '{name}' was not found",
        f"{tmp_path / name}/{{train,test}}/<class>/",
        f"{tmp_path / name}.zip",
        "--data-root",
        "NANOCL_DATA_ROOT",
        next(iter(ARCHIVES[name].files)),
        str(tmp_path / ARCHIVES[name].folder),
        "torchvision's archives",
        "Name or service not known",
    ):
        assert part in message, part
    assert ("apt-get install dataset-fashion-mnist" in message) == (name == "fashion-mnist")
    assert list(tmp_path.iterdir()) == []


def test_the_message_says_that_the_data_root_is_missing(tmp_path):
    with pytest.raises(DataMissing, match=r"the data root .*nowhere does not exist"):
        load("mnist", tmp_path / "nowhere")


def test_every_data_root_is_named_and_those_that_are_missing(tmp_path):
    absent = tmp_path / "nowhere"
    with pytest.raises(DataMissing) as caught:
        load("insects", Folders((absent, tmp_path)))
    message = str(caught.value)
    assert f"(the data root {absent} does not exist)" in message
    for folder in (absent, tmp_path):
        assert f"{folder / 'insects'}.zip, a zip of such a folder" in message
    (tmp_path / "insect").mkdir()
    with pytest.raises(DataMissing, match="did you mean 'insect'"):
        load("insects", Folders((absent, tmp_path)))


def test_the_message_names_the_missing_idx_file_of_an_incomplete_set(tmp_path):
    folder = tmp_path / "MNIST/raw"
    folder.mkdir(parents=True)
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte"):
        (folder / name).write_bytes(b"")
    with pytest.raises(DataMissing, match=r"incomplete: t10k-labels-idx1-ubyte missing"):
        load("mnist", tmp_path)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("cifer10", "cifar10"),
        ("FashionMNIST", "fashion-mnist"),
        ("insect", "insects"),
        ("Digits", "digits"),
    ],
)
def test_a_misspelt_name_is_refused_with_the_nearest_name_and_no_download(tmp_path, name, meant):
    write_folder(tmp_path / "insects", pictures())
    with pytest.raises(
        DataMissing, match=f"no data set '{name}', did you mean '{meant}'"
    ) as caught:
        load(name, tmp_path)
    assert "downloaded" not in str(caught.value)


def message_of(name, data_root):
    with pytest.raises(DataMissing) as caught:
        load(name, data_root)
    return str(caught.value)


def test_a_missing_data_set_may_be_texts_and_the_message_says_how_they_look(tmp_path):
    message = message_of("reviews", tmp_path)
    files = f"{tmp_path / 'reviews'}/{{train,test}}.{{csv,tsv,jsonl,json}}"
    assert f"put texts into {files}, with the columns text and label" in message
    assert f"{tmp_path / 'text'}, at any depth a folder reviews with such texts" in message


@pytest.mark.parametrize(
    ("name", "meant"),
    [("clinc151", "clinc150"), ("banking", "banking77"), ("agnew", "agnews")],
)
def test_a_misspelt_text_data_set_is_refused_with_the_nearest_name(tmp_path, name, meant):
    folder = tmp_path / "text/collection/agnews"
    folder.mkdir(parents=True)
    (folder / "train.json").write_text("[]")
    assert f"no data set '{name}', did you mean '{meant}'?" in message_of(name, tmp_path)


def test_a_published_text_data_set_is_named_with_its_files_and_no_other_name(tmp_path):
    message = message_of("clinc150", tmp_path)
    assert "data set 'clinc150' was not found" in message and "did you mean" not in message
    address = "data_full.json of github.com/clinc/oos-eval"
    assert f"put {address} into {tmp_path / 'clinc150'}" in message
    assert "image folder" not in message
