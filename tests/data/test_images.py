"""Image files and arrays are decoded and resized alike."""

import io

import numpy as np
import pytest
from idx_files import write_idx
from pictures import pictures, png, write_folder
from PIL import Image

from nanocl.data import load
from nanocl.records import UserError

pytestmark = pytest.mark.usefixtures("own_cache")


def test_arrays_are_resized_like_image_files(tmp_path):
    arrays = write_idx(tmp_path / "MNIST/raw")
    data = load("mnist", tmp_path, image_size=14)
    pixels = Image.fromarray(arrays["t10k-images-idx3-ubyte"][3]).resize(
        (14, 14), Image.Resampling.BILINEAR
    )
    assert np.array_equal(data.test_inputs[3, 0], np.asarray(pixels))


def test_resizing_keeps_the_centre_square(tmp_path):
    wide = np.zeros((4, 8, 3), np.uint8)
    wide[:, 2:6] = 200
    write_folder(tmp_path / "wide", dict.fromkeys(pictures(), png(wide)))
    assert (load("wide", tmp_path, image_size=2).train_inputs == 200).all()


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


def test_sixteen_bit_and_palette_images_are_read(tmp_path):
    from nanocl.data.images import decode

    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(decode(png(ramp.astype(np.uint16) * 257), "it")[0], ramp)
    file = io.BytesIO()
    Image.fromarray(ramp).convert("P").save(file, "PNG")
    assert np.array_equal(decode(file.getvalue(), "it"), np.repeat(ramp[None], 3, axis=0))
