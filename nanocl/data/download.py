"""Downloads the official files of a missing data set."""

from __future__ import annotations

import http.client
import queue
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any, BinaryIO

from nanocl.data import limits
from nanocl.data.archives import Archive, md5_of
from nanocl.records import files

PROBE_SECONDS = 6
STALL_SECONDS = 20
SCHEMES = ("https://",)


def download(archive: Archive, data_root: Path) -> str:
    """Download the missing files of `archive`; a file whose checksum is wrong is deleted.

    Returns:
        The reason for a failure (within `PROBE_SECONDS` if no mirror answers); empty if all files
        are present.
    """
    mirror, reason = _answering(archive)
    if not mirror:
        return reason
    folder = data_root / archive.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, md5 in archive.files.items():
            if not (folder / name).exists():
                _fetch(mirror + name, folder / name, md5)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return f"{mirror}: {error}"
    return ""


def _answering(archive: Archive) -> tuple[str, str]:
    """The first mirror that answers and an empty reason, or no mirror and the reason.

    Each mirror is tried in a daemon thread, which may outlive this call: without a network a name
    look-up blocks for longer than any socket timeout.
    """
    answers: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
    for mirror in archive.mirrors:
        threading.Thread(
            target=_probe,
            args=(mirror, next(iter(archive.files)), answers),
            daemon=True,
        ).start()
    deadline = time.monotonic() + PROBE_SECONDS
    reasons = []
    for _ in archive.mirrors:
        try:
            mirror, reason = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            reasons.append(f"no answer in {PROBE_SECONDS} seconds")
            break
        if not reason:
            return mirror, ""
        reasons.append(f"{mirror}: {reason}")
    return "", "; ".join(reasons)


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirections to https alone."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        """The next request, its address checked."""
        _check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(url: str, seconds: float) -> Any:
    _check_address(url)
    return urllib.request.build_opener(_HttpsOnly).open(url, timeout=seconds)


def _check_address(url: str) -> None:
    if not url.startswith(SCHEMES):
        raise ValueError(f"downloads need https, got {url}")


def _copy(response: Any, file: BinaryIO, url: str) -> None:
    """Copy what is sent, up to the limit: the length in the header may be wrong or missing."""
    written = 0
    while part := response.read(1 << 20):
        written += len(part)
        if written > limits.MOST_BYTES:
            raise ValueError(f"{url} sends more than {limits.MOST_BYTES} bytes; it was deleted")
        file.write(part)


def _probe(mirror: str, name: str, answers: queue.SimpleQueue[tuple[str, str]]) -> None:
    try:
        with _open(mirror + name, PROBE_SECONDS):
            answers.put((mirror, ""))
    except (OSError, http.client.HTTPException, ValueError) as error:
        answers.put((mirror, str(getattr(error, "reason", None) or error)))


def _fetch(url: str, path: Path, md5: str) -> None:
    with files.replacing(path) as part:
        with (
            _open(url, STALL_SECONDS) as response,
            part.open("wb") as file,
        ):
            size = int(response.headers.get("Content-Length") or 0)
            print(
                f"downloading {url} ({size / 1e6:.1f} MB) to {path.parent}",
                file=sys.stderr,
                flush=True,
            )
            _copy(response, file, url)
        if md5_of(part) != md5:
            raise ValueError(f"{path.name} has the wrong checksum; it was deleted")
