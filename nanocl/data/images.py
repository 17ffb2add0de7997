"""Decodes image files to arrays, and resizes arrays."""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nanocl.data import limits
from nanocl.data.dataset import Splits
from nanocl.records import UserError

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

THREADS = 2
CHUNK = 64
BILINEAR = 2  # PIL.Image.Resampling.BILINEAR, without loading Pillow
GRAY_MODES = ("1", "L", "LA", "La")


def decode_all(
    names: Sequence[str],
    read: Callable[[str], bytes],
    describe: Callable[[str], str],
    image_size: int,
) -> tuple[np.ndarray, bool]:
    """Decode image files in the given order, in threads.

    Args:
        names: The files.
        read: Returns the bytes of one file.
        describe: Returns the name of one file in error messages.
        image_size: Side of the square that each image is cropped and resized to; 0 keeps the size,
            which must then be the same for all images.

    Returns:
        Images (N, 3, H, W) uint8, and whether all of them are grayscale files.

    Raises:
        UserError: A file is not a complete image, or sizes differ and `image_size` is 0.
    """

    def decode_some(chunk: Sequence[str]) -> list[np.ndarray]:
        return [decode(read(name), describe(name), image_size) for name in chunk]

    first = decode_some(names[:1])[0]
    shape = (len(names), 3, *first.shape[1:])
    limits.check_memory(math.prod(shape), f"the data set of {describe(names[0])}")
    images = np.empty(shape, np.uint8)
    gray = True
    row = 0
    chunks = [names[start : start + CHUNK] for start in range(0, len(names), CHUNK)]
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            for image in _flat(pool.map(decode_some, chunks)):
                if image.shape[1:] != first.shape[1:]:
                    raise _sizes_differ(describe(names[0]), first, describe(names[row]), image)
                images[row] = image
                gray = gray and len(image) == 1
                row = row + 1
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return images, gray


def decode(data: bytes, described: str, image_size: int = 0) -> np.ndarray:
    """One image file as (1, H, W) if it is grayscale, else (3, H, W) RGB without transparency.

    Args:
        data: Content of the file.
        described: Name of the file in error messages.
        image_size: See `decode_all`.

    Raises:
        UserError: `data` is not a complete image.
    """
    from PIL import Image

    try:
        _check_png(data)
        with Image.open(io.BytesIO(data)) as image:
            _check_pixels(*image.size)
            return _array(_plain(image), image_size)
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        struct.error,
        Image.DecompressionBombError,
    ) as error:
        raise UserError(f"{described} is not a complete image: {error}") from error


def resized(splits: Splits, image_size: int) -> Splits:
    """Crop and resize all images to squares of `image_size`; return `splits` if nothing changes."""
    if image_size == 0 or splits.train_inputs.shape[2:] == (image_size, image_size):
        return splits
    train, test = (
        _resize(inputs, image_size) for inputs in (splits.train_inputs, splits.test_inputs)
    )
    return replace(splits, train_inputs=train, test_inputs=test)


def _resize(inputs: np.ndarray, image_size: int) -> np.ndarray:
    from PIL import Image

    shape = (*inputs.shape[:2], image_size, image_size)
    limits.check_memory(math.prod(shape), f"a data set of {len(inputs)} images")
    out = np.empty(shape, np.uint8)
    for number, channels in enumerate(inputs):
        pixels = (
            channels[0] if len(channels) == 1 else np.ascontiguousarray(channels.transpose(1, 2, 0))
        )
        out[number] = _array(Image.fromarray(pixels), image_size)
    return out


def _plain(image: PilImage) -> PilImage:
    """The image in 8-bit grayscale or RGB."""
    if image.mode.startswith("I;16"):
        from PIL import Image

        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(
            f"pixels of mode {image.mode} have no fixed range; use 8 or 16 bits per channel"
        )
    return image.convert("L" if image.mode in GRAY_MODES else "RGB")


def _array(image: PilImage, image_size: int) -> np.ndarray:
    if image_size and image.size != (image_size, image_size):
        side = min(image.size)
        left = (image.width - side) // 2
        top = (image.height - side) // 2
        # Pillow widens its bilinear filter when it shrinks an image, which prevents aliasing
        image = image.crop((left, top, left + side, top + side)).resize(
            (image_size, image_size), BILINEAR
        )
    values = np.asarray(image)
    if values.ndim == 2:
        return values[None]
    return values.transpose(2, 0, 1)


def _check_pixels(width: int, height: int) -> None:
    """Refuse an image before its pixels are decoded."""
    if width * height > limits.MOST_PIXELS:
        raise ValueError(f"it has {width}x{height} pixels; at most {limits.MOST_PIXELS} are read")


def _check_png(data: bytes) -> None:
    """Raise ValueError for a truncated or damaged PNG file.

    Pillow does not read the checksums of pixel chunks, and decodes damaged files silently.
    """
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return
    # after the 8 bytes of the signature, each chunk is: length, kind, content, checksum
    position = 8
    kind = b""
    while kind != b"IEND":
        length = int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4 : position + 8]
        end = position + 8 + length
        if len(data) < end + 4:
            raise ValueError("it ends early")
        if zlib.crc32(data[position + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            raise ValueError(f"the checksum of its {kind.decode('latin1')} chunk is wrong")
        position = end + 4


def _sizes_differ(
    first: str,
    a: np.ndarray,
    other: str,
    b: np.ndarray,
) -> UserError:
    return UserError(
        f"images differ in size and image_size is 0: {first} is {a.shape[2]}x{a.shape[1]}, "
        f"{other} is {b.shape[2]}x{b.shape[1]}; "
        "pass stream.image_size (e.g. --set stream.image_size=64) to resize all"
    )


def _flat(chunks: Iterable[list[np.ndarray]]) -> Iterable[np.ndarray]:
    for chunk in chunks:
        yield from chunk
