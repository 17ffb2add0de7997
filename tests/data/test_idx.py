"""The idx files of MNIST, made small."""

import numpy as np
import pytest
from idx_files import idx_bytes, write_idx

from nanocl.data import load
from nanocl.records import UserError

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"])
def test_a_truncated_gzip_file_is_named_and_nothing_is_cached(tmp_path, cached, name):
    write_idx(tmp_path / "MNIST/raw")
    path = tmp_path / "MNIST/raw" / name
    whole = path.read_bytes()
    for size in (len(whole) - 1, len(whole) - 12, 5):
        path.write_bytes(whole[:size])
        with pytest.raises(UserError, match=f"{name} is not a complete gzip file"):
            load("mnist", tmp_path)
    assert cached() == []


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:-1], "truncated or damaged"),
        (lambda data: data + b"x", "truncated or damaged"),
        (lambda data: b"", "not an idx file"),
        (lambda data: b"<html>" + data, "not an idx file"),
    ],
)
def test_a_damaged_idx_file_is_named(tmp_path, damage, message):
    write_idx(tmp_path / "MNIST/raw", packed=False)
    path = tmp_path / "MNIST/raw/t10k-images-idx3-ubyte"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=f"t10k-images-idx3-ubyte.* {message}"):
        load("mnist", tmp_path)


def test_labels_that_do_not_fit_the_images_are_refused(tmp_path):
    write_idx(tmp_path / "MNIST/raw", packed=False)
    labels = tmp_path / "MNIST/raw/train-labels-idx1-ubyte"
    labels.write_bytes(idx_bytes(np.zeros(19, np.uint8)))
    with pytest.raises(UserError, match=r"20 images, but .* 19 labels"):
        load("mnist", tmp_path)
    labels.write_bytes(idx_bytes(np.full(20, 10, np.uint8)))
    with pytest.raises(UserError, match="labels below 10, got 10"):
        load("mnist", tmp_path)
