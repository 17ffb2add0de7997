"""Each data set is read from all of its usual places."""

import os
import shutil

import numpy as np
import pytest
from idx_files import write_idx
from pictures import pictures, write_folder, write_zip

from nanocl.data import load
from nanocl.data.sources import find

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.mark.parametrize("place", ["MNIST/raw", "mnist/MNIST/raw", "mnist"])
@pytest.mark.parametrize("packed", [True, False])
def test_idx_files_are_read_from_every_place(tmp_path, place, packed):
    arrays = write_idx(tmp_path / place, packed=packed)
    data = load("mnist", tmp_path)
    assert np.array_equal(data.train_inputs[:, 0], arrays["train-images-idx3-ubyte"])
    assert np.array_equal(data.test_labels, arrays["t10k-labels-idx1-ubyte"])
    assert data.facts() == {
        "name": "mnist",
        "fingerprint": data.fingerprint,
        "release": "other",
        "train": 20,
        "test": 10,
        "shape": [1, 28, 28],
        "classes": 10,
    }


def test_fashion_mnist_is_found_where_debian_puts_it(tmp_path):
    write_idx(tmp_path / "debian")
    assert load("fashion-mnist", tmp_path / "nowhere", download=False).classes[9] == "Ankle boot"


def test_official_files_come_before_an_image_folder_and_a_folder_before_a_zip(tmp_path):
    folder = write_folder(tmp_path / "mnist", pictures(classes=("0", "1")))
    archive = write_zip(tmp_path / "mnist.zip", pictures())
    assert find("mnist", tmp_path).paths == (folder,)
    write_idx(tmp_path / "MNIST/raw")
    assert {path.parent for path in find("mnist", tmp_path).paths} == {tmp_path / "MNIST/raw"}
    shutil.rmtree(tmp_path / "MNIST")
    shutil.rmtree(folder)
    assert find("mnist", tmp_path).paths == (archive,)
    archive.unlink()
    assert find("mnist", tmp_path) is None


@pytest.mark.parametrize("change", ["content", "time", "new file"])
def test_the_identity_of_a_source_changes_with_its_files(tmp_path, change):
    folder = write_folder(tmp_path / "insects", pictures())
    source = find("insects", tmp_path)
    before = source.identity()
    assert source.identity() == before
    image = folder / "train/ant/0.png"
    if change == "content":
        image.write_bytes(image.read_bytes() + b" ")
    elif change == "time":
        os.utime(image, ns=(1, 1))
    else:
        (folder / "train/ant/new.png").write_bytes(image.read_bytes())
    assert source.identity() != before
