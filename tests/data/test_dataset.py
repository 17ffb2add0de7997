"""The fingerprint of a data set depends on its samples and on nothing else."""

import io
import zipfile

import numpy as np
import pytest
from pictures import pictures, png, write_folder, write_zip
from PIL import Image

from nanocl.data import fingerprint

pytestmark = pytest.mark.usefixtures("own_cache")


def test_the_fingerprint_is_the_same_for_folder_zip_and_any_order_of_files(tmp_path):
    files = pictures()
    backwards = dict(reversed(files.items()))
    renamed = {path.replace("0.png", "zero.png"): data for path, data in files.items()}
    wrapped = {f"insects-v2/{path}": data for path, data in backwards.items()}
    write_folder(tmp_path / "a" / "insects", files)
    write_folder(tmp_path / "b" / "insects", renamed)
    write_zip(tmp_path / "c" / "insects.zip", backwards)
    write_zip(tmp_path / "d" / "insects.zip", wrapped, method=zipfile.ZIP_DEFLATED)
    assert len({fingerprint("insects", tmp_path / root) for root in "abcd"}) == 1


def changed_pixel(files):
    pixels = np.asarray(Image.open(io.BytesIO(files["train/ant/0.png"]))).copy()
    pixels[2, 3, 1] ^= 1
    return {**files, "train/ant/0.png": png(pixels)}


def changed_label(files):
    return {
        path.replace("ant/0", "bee/9") if path.startswith("train") else path: d
        for path, d in files.items()
    }


def changed_split(files):
    return {path.replace("train/ant/0", "test/ant/9"): data for path, data in files.items()}


def one_less(files):
    return {path: data for path, data in files.items() if path != "train/ant/3.png"}


@pytest.mark.parametrize("change", [changed_pixel, changed_label, changed_split, one_less])
def test_the_fingerprint_changes_with_one_pixel_label_split_or_sample(tmp_path, change):
    write_folder(tmp_path / "a" / "insects", pictures())
    write_folder(tmp_path / "b" / "insects", change(pictures()))
    assert fingerprint("insects", tmp_path / "a") != fingerprint("insects", tmp_path / "b")
