"""Image folders and zips of them."""

import io
import zipfile

import numpy as np
import pytest
from pictures import pictures, png, write_folder, write_zip
from PIL import Image

from nanocl.data import fingerprint, load
from nanocl.records import UserError


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))


def cached(root):
    return sorted(path.name for path in root.rglob("*.safetensors"))


def test_a_folder_gives_the_pixels_and_labels_of_its_files(tmp_path):
    files = pictures()
    write_folder(tmp_path / "insects", files)
    data = load("insects", tmp_path)
    assert data.classes == ("ant", "bee")
    assert (len(data.train_labels), len(data.test_labels)) == (8, 4)
    assert data.train_inputs.dtype == np.uint8 and data.train_labels.dtype == np.int64
    found = {
        (int(label), image.tobytes())
        for label, image in zip(data.train_labels, data.train_inputs, strict=True)
    }
    for path, content in files.items():
        split, label, _ = path.split("/")
        pixels = np.asarray(Image.open(io.BytesIO(content))).transpose(2, 0, 1).tobytes()
        assert ((data.classes.index(label), pixels) in found) == (split == "train")


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


def test_other_formats_hidden_files_and_other_splits_are_left_alone(tmp_path):
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


def test_mixed_sizes_are_refused_until_an_image_size_is_given(tmp_path):
    files = pictures() | {"train/bee/1.png": png(np.zeros((6, 9, 3), np.uint8))}
    write_folder(tmp_path / "insects", files)
    with pytest.raises(UserError, match=r"bee/1\.png is 9x6; pass stream\.image_size"):
        load("insects", tmp_path)
    assert cached(tmp_path) == []
    data = load("insects", tmp_path, image_size=4)
    assert data.train_inputs.shape[1:] == (3, 4, 4)
    assert fingerprint("insects", tmp_path, image_size=5) != data.fingerprint


def test_resizing_keeps_the_centre_square(tmp_path):
    wide = np.zeros((4, 8, 3), np.uint8)
    wide[:, 2:6] = 200
    write_folder(tmp_path / "wide", dict.fromkeys(pictures(), png(wide)))
    assert (load("wide", tmp_path, image_size=2).train_inputs == 200).all()


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


def test_a_truncated_image_is_named_and_nothing_is_cached(tmp_path):
    whole = pictures()["train/bee/2.png"]
    for cut in (len(whole) - 1, len(whole) // 2, 10, 0):
        root = tmp_path / str(cut)
        write_folder(root / "insects", pictures() | {"train/bee/2.png": whole[:cut]})
        with pytest.raises(UserError, match=r"train/bee/2\.png is not a complete image"):
            load("insects", root)
    assert cached(tmp_path) == []


def test_every_flipped_byte_of_a_png_is_noticed(tmp_path):
    from nanocl.data.images import decode

    whole = pictures()["train/bee/2.png"]
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 4
        with pytest.raises(UserError):
            decode(bytes(damaged), "the image")


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_a_truncated_jpeg_or_webp_is_refused(kind):
    from nanocl.data.images import decode

    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)).save(
        file, kind
    )
    assert decode(file.getvalue(), "it").shape == (3, 32, 32)
    with pytest.raises(UserError, match=r"^it is not a complete image"):
        decode(file.getvalue()[: len(file.getvalue()) // 2], "it")


def test_a_truncated_zip_is_named_and_nothing_is_cached(tmp_path):
    archive = write_zip(tmp_path / "insects.zip", pictures())
    archive.write_bytes(archive.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"insects\.zip is not a complete zip file"):
        load("insects", tmp_path)
    assert cached(tmp_path) == []


def test_a_damaged_member_of_a_zip_is_named_and_nothing_is_cached(tmp_path):
    archive = write_zip(tmp_path / "insects.zip", pictures())
    content = bytearray(archive.read_bytes())
    start = content.index(pictures()["test/ant/1.png"])
    content[start + 60] ^= 1
    archive.write_bytes(bytes(content))
    with pytest.raises(UserError, match=r"test/ant/1\.png in .*insects\.zip cannot be read"):
        load("insects", tmp_path)
    assert cached(tmp_path) == []


def test_sixteen_bit_and_palette_images_are_read(tmp_path):
    from nanocl.data.images import decode

    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(decode(png(ramp.astype(np.uint16) * 257), "it")[0], ramp)
    file = io.BytesIO()
    Image.fromarray(ramp).convert("P").save(file, "PNG")
    assert np.array_equal(decode(file.getvalue(), "it"), np.repeat(ramp[None], 3, axis=0))
