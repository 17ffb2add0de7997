"""The real data sets under NANOCL_DATA_ROOT."""

from pathlib import Path

import numpy as np
import pytest
from real_data import missing

from nanocl.data import fingerprint, folder, load, sources
from nanocl.data.archives import ARCHIVES, md5_of


def need(path: Path) -> Path:
    if not path.exists():
        missing(str(path))
    return path


def test_mnist_is_official_from_plain_and_gzipped_files(data_root, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    raw = need(data_root / "MNIST/raw")
    assert load("mnist", data_root).facts() == {
        "name": "mnist",
        "fingerprint": "0877b14eb805cf62",
        "release": "official",
        "train": 60000,
        "test": 10000,
        "shape": [1, 28, 28],
        "classes": 10,
    }
    (tmp_path / "mnist").mkdir()
    for name, md5 in ARCHIVES["mnist"].files.items():
        assert md5_of(need(raw / name)) == md5
        (tmp_path / "mnist" / name).symlink_to(raw / name)
    assert load("mnist", tmp_path).official


def test_fashion_mnist_of_debian_is_official(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    need(sources.DEBIAN)
    data = load("fashion-mnist", tmp_path / "empty")
    assert data.official and np.bincount(data.train_labels).tolist() == [6000] * 10


def decoded_again(*_):
    raise AssertionError("a second time no picture is decoded")


@pytest.mark.parametrize(("name", "classes"), [("cifar10", 10), ("cifar100", 100)])
def test_the_zipped_cifar_is_complete_and_not_the_official_one(
    data_root, monkeypatch, name, classes
):
    need(data_root / f"{name}.zip")
    data = load(name, data_root)
    assert (data.train_inputs.shape, data.test_inputs.shape) == (
        (50000, 3, 32, 32),
        (10000, 3, 32, 32),
    )
    assert np.bincount(data.train_labels).tolist() == [50000 // classes] * classes
    assert np.bincount(data.test_labels).tolist() == [10000 // classes] * classes
    assert data.facts()["release"] == "other"
    monkeypatch.setattr(folder, "read_zip", decoded_again)
    assert fingerprint(name, data_root) == data.fingerprint
    assert int(load(name, data_root).train_inputs.max()) == 255


def test_the_zipped_cifar10_keeps_the_official_training_order(data_root):
    need(data_root / "cifar10.zip")
    data = load("cifar10", data_root)
    first = [data.classes[label] for label in data.train_labels[:6]]
    assert first == ["frog", "truck", "truck", "deer", "automobile", "automobile"]


def test_flowers_of_the_zip_and_of_torchvisions_layout_are_the_same(
    data_root, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    archive = need(data_root / "flowers102.zip")
    need(data_root / "flowers-102/setid.mat")
    data = load("flowers102", data_root)
    assert (len(data.train_labels), len(data.test_labels), len(data.classes)) == (1020, 6149, 102)
    zipped = folder.read_zip(archive, 0)
    for array in ("train_inputs", "train_labels", "test_inputs", "test_labels"):
        assert np.array_equal(getattr(data, array), getattr(zipped, array))
