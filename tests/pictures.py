"""Small image folders for tests."""

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image


def png(pixels: np.ndarray) -> bytes:
    """A PNG file of pixels (H, W) or (H, W, 3)."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def pictures(
    *,
    size: tuple[int, int] = (6, 6),
    classes: tuple[str, ...] = ("ant", "bee"),
    gray: bool = False,
    train: int = 4,
    test: int = 2,
) -> dict[str, bytes]:
    """The files of an image folder by path: random pictures, the same on every call."""
    random = np.random.default_rng(0)
    shape = size if gray else (*size, 3)
    paths = [
        f"{split}/{label}/{number}.png"
        for split, count in (("train", train), ("test", test))
        for label in classes
        for number in range(count)
    ]
    return {path: png(random.integers(0, 256, shape, np.uint8)) for path in paths}


def write_folder(folder: Path, files: dict[str, bytes]) -> Path:
    """Write files below `folder`."""
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def write_zip(archive: Path, files: dict[str, bytes], *, method: int = zipfile.ZIP_STORED) -> Path:
    """Write files to a zip file, in the order of the dict."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w", method) as opened:
        for path, data in files.items():
            opened.writestr(path, data)
    return archive
