"""Small tar files for tests."""

import io
import tarfile
from pathlib import Path


def write_tar(path: Path, folder: str, files: dict[str, bytes]) -> Path:
    """A gzipped tar file with `files` in `folder`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(f"{folder}/{name}" if folder else name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path
