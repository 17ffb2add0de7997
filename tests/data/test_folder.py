"""Image folders and zips of them."""

import io

import numpy as np
import pytest
from pictures import pictures, png, write_folder, write_zip
from PIL import Image

from nanocl.data import fingerprint, load
from nanocl.records import UserError

pytestmark = pytest.mark.usefixtures("own_cache")


def test_a_folder_gives_the_pixels_and_labels_of_its_files(tmp_path):
    files = pictures()
    write_folder(tmp_path / "insects", files)
    data = load("insects", tmp_path)
    assert data.classes == ("ant", "bee")
    assert (len(data.train_labels), len(data.test_labels)) == (8, 4)
    assert data.train_inputs.dtype == np.uint8 and data.train_labels.dtype == np.int64
    training = {
        (int(label), image.tobytes())
        for label, image in zip(data.train_labels, data.train_inputs, strict=True)
    }
    for path, content in files.items():
        split, label, _ = path.split("/")
        pixels = np.asarray(Image.open(io.BytesIO(content))).transpose(2, 0, 1).tobytes()
        assert ((data.classes.index(label), pixels) in training) == (split == "train")


def test_other_formats_hidden_files_and_other_splits_are_ignored(tmp_path):
    files = pictures()
    extra = {
        "val/ant/0.png": b"no image",
        "train/ant/.hidden.png": b"x",
        "train/ant/notes.txt": b"x",
        "__MACOSX/train/ant/._0.png": b"x",
        "README.md": b"x",
    }
    write_folder(tmp_path / "a" / "insects", files)
    write_zip(tmp_path / "b" / "insects.zip", files | extra)
    assert fingerprint("insects", tmp_path / "a") == fingerprint("insects", tmp_path / "b")


def test_numeric_class_names_are_numbered_by_value(tmp_path):
    write_folder(tmp_path / "numbers", pictures(classes=("10", "9", "100"), train=1, test=1))
    assert load("numbers", tmp_path).classes == ("9", "10", "100")


def test_samples_come_in_the_order_of_their_file_names_across_classes(tmp_path):
    blank = {f"{value:03d}": png(np.full((4, 4, 3), value, np.uint8)) for value in range(6)}
    files = {f"train/{'ab'[int(name) % 2]}/{name}.png": data for name, data in blank.items()}
    files |= {f"test/{label}/0.png": blank["000"] for label in "ab"}
    data = load("ordered", write_folder(tmp_path / "ordered", files).parent)
    assert data.train_inputs[:, 0, 0, 0].tolist() == list(range(6))
    assert data.train_labels.tolist() == [0, 1, 0, 1, 0, 1]


def test_grayscale_files_give_one_channel_and_a_mixture_gives_three(tmp_path):
    gray, colour = pictures(gray=True), pictures()
    write_folder(tmp_path / "gray", gray)
    write_folder(tmp_path / "mixed", gray | {"test/bee/1.png": colour["test/bee/1.png"]})
    one, three = load("gray", tmp_path), load("mixed", tmp_path)
    assert one.train_inputs.shape[1:] == (1, 6, 6)
    assert np.array_equal(three.train_inputs, np.repeat(one.train_inputs, 3, axis=1))


def test_mixed_sizes_are_refused_without_an_image_size(tmp_path, cached):
    files = pictures() | {"train/bee/1.png": png(np.zeros((6, 9, 3), np.uint8))}
    write_folder(tmp_path / "insects", files)
    with pytest.raises(UserError, match=r"bee/1\.png is 9x6; pass stream\.image_size"):
        load("insects", tmp_path)
    assert cached() == []
    data = load("insects", tmp_path, image_size=4)
    assert data.train_inputs.shape[1:] == (3, 4, 4)
    assert fingerprint("insects", tmp_path, image_size=5) != data.fingerprint


def test_splits_of_different_sizes_are_refused(tmp_path):
    files = pictures() | {
        path: data for path, data in pictures(size=(5, 5)).items() if path.startswith("test")
    }
    write_folder(tmp_path / "insects", files)
    with pytest.raises(UserError, match=r"train/ and test/.*stream\.image_size"):
        load("insects", tmp_path)


@pytest.mark.parametrize(
    ("drop", "message"),
    [
        ("test/", "no images in test/"),
        ("train/", "no images in train/"),
        ("test/bee", "no images of class 'bee' in test/"),
        ("train/ant", "no images of class 'ant' in train/"),
    ],
)
def test_a_missing_split_or_class_is_named(tmp_path, drop, message):
    write_folder(
        tmp_path / "insects",
        {path: d for path, d in pictures().items() if not path.startswith(drop)},
    )
    with pytest.raises(UserError, match=message):
        load("insects", tmp_path)


def test_images_outside_class_folders_are_refused(tmp_path):
    write_folder(tmp_path / "insects", pictures() | {"train/0.png": pictures()["train/ant/0.png"]})
    with pytest.raises(UserError, match=r"train/0\.png .*is in no class folder"):
        load("insects", tmp_path)


def test_a_truncated_image_is_named_and_nothing_is_cached(tmp_path, cached):
    whole = pictures()["train/bee/2.png"]
    for cut in (len(whole) - 1, len(whole) // 2, 10, 0):
        root = tmp_path / str(cut)
        write_folder(root / "insects", pictures() | {"train/bee/2.png": whole[:cut]})
        with pytest.raises(UserError, match=r"train/bee/2\.png is not a complete image"):
            load("insects", root)
    assert cached() == []


def test_a_truncated_zip_is_named_and_nothing_is_cached(tmp_path, cached):
    archive = write_zip(tmp_path / "insects.zip", pictures())
    archive.write_bytes(archive.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"insects\.zip is not a complete zip file"):
        load("insects", tmp_path)
    assert cached() == []


def test_a_damaged_member_of_a_zip_is_named_and_nothing_is_cached(tmp_path, cached):
    archive = write_zip(tmp_path / "insects.zip", pictures())
    content = bytearray(archive.read_bytes())
    start = content.index(pictures()["test/ant/1.png"])
    content[start + 60] ^= 1
    archive.write_bytes(bytes(content))
    with pytest.raises(UserError, match=r"test/ant/1\.png in .*insects\.zip cannot be read"):
        load("insects", tmp_path)
    assert cached() == []


@pytest.mark.parametrize(
    ("offset", "value", "reason"),
    [(8, 1, "encrypted"), (10, 99, "compression")],
    ids=["encrypted", "unknown compression"],
)
def test_a_member_that_zipfile_cannot_open_is_named_in_one_sentence(
    tmp_path, offset, value, reason
):
    """Flags (offset 8) and compression method (10) of the first entry of the central directory."""
    archive = write_zip(tmp_path / "insects.zip", pictures())
    content = bytearray(archive.read_bytes())
    entry = content.index(b"PK\x01\x02")
    content[entry + offset] = value
    archive.write_bytes(content)
    with pytest.raises(UserError, match=rf"in .*insects\.zip cannot be read: .*{reason}"):
        load("insects", tmp_path)


def test_a_single_class_is_refused_with_its_folder(tmp_path):
    files = {path: content for path, content in pictures().items() if "/ant/" in path}
    write_folder(tmp_path / "insects", files)
    with pytest.raises(UserError, match=r"a single class, the folder 'ant', .*train/<class>/"):
        load("insects", tmp_path)
    write_zip(tmp_path / "packed.zip", files)
    with pytest.raises(UserError, match="a single class"):
        load("packed", tmp_path)
