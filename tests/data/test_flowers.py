"""Flowers-102 in its authors' format, made small."""

import hashlib
import io

import numpy as np
import pytest
from PIL import Image
from tar_files import write_tar

from nanocl.data import fingerprint, flowers, load
from nanocl.data.archives import ARCHIVES
from nanocl.records import UserError

pytestmark = pytest.mark.usefixtures("own_cache")


def write_flowers(folder, *, packed):
    from scipy.io import savemat

    folder.mkdir(parents=True)
    random, files = np.random.default_rng(3), {}
    for number in range(1, 13):
        file = io.BytesIO()
        shape = (16, 16 + number, 3)
        Image.fromarray(random.integers(0, 256, shape, np.uint8)).save(file, "JPEG")
        files[f"image_{number:05d}.jpg"] = file.getvalue()
    savemat(folder / flowers.LABELS, {"labels": [[(n % 3) + 1 for n in range(12)]]})
    savemat(
        folder / flowers.IDS, {"trnid": [[12, 1, 2]], "valid": [[3, 4]], "tstid": [[5, 6, 7, 8]]}
    )
    if packed:
        write_tar(folder / flowers.TAR, "jpg", files)
    else:
        (folder / "jpg").mkdir()
        for name, data in files.items():
            (folder / "jpg" / name).write_bytes(data)


def test_flowers_read_alike_from_the_tar_file_and_the_folder(tmp_path):
    write_flowers(tmp_path / "packed/flowers-102", packed=True)
    write_flowers(tmp_path / "unpacked/flowers102", packed=False)
    data = load("flowers102", tmp_path / "packed", image_size=8)
    assert data.train_labels.tolist() == [0, 1, 2] and data.test_labels.tolist() == [1, 2, 0, 1]
    assert len(data.classes) == 102 and data.train_inputs.shape == (3, 3, 8, 8)
    assert fingerprint("flowers102", tmp_path / "unpacked", image_size=8) == data.fingerprint


def test_flowers_of_many_sizes_need_an_image_size(tmp_path):
    write_flowers(tmp_path / "flowers-102", packed=True)
    with pytest.raises(
        UserError, match=r"102flowers\.tgz/image_00002\.jpg is 18x16; pass stream\.image_size"
    ):
        load("flowers102", tmp_path)


def test_flowers_are_official_by_the_checksums_of_all_three_files(tmp_path, monkeypatch):
    folder = tmp_path / "flowers-102"
    write_flowers(folder, packed=True)
    for name in ARCHIVES["flowers102"].files:
        assert not load("flowers102", tmp_path, image_size=4).official
        (tmp_path / ".nanocl" / "flowers102-4.safetensors").unlink()
        md5 = hashlib.md5((folder / name).read_bytes()).hexdigest()
        monkeypatch.setitem(ARCHIVES["flowers102"].files, name, md5)
    assert load("flowers102", tmp_path, image_size=4).official


@pytest.mark.parametrize("name", [flowers.LABELS, flowers.IDS])
def test_a_damaged_matlab_file_is_named(tmp_path, name):
    write_flowers(tmp_path / "flowers-102", packed=False)
    path = tmp_path / "flowers-102" / name
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match=f"{name} is not a complete MATLAB file"):
        load("flowers102", tmp_path, image_size=8)


def test_a_missing_flower_is_named(tmp_path):
    write_flowers(tmp_path / "flowers-102", packed=False)
    (tmp_path / "flowers-102/jpg/image_00006.jpg").unlink()
    with pytest.raises(UserError, match=r"cannot read .*image_00006\.jpg: No such file"):
        load("flowers102", tmp_path, image_size=8)
