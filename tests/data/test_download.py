"""Missing data is downloaded whole or not at all."""

import functools
import hashlib
import http.server
import re
import socket
import threading
import time

import pytest
from idx_files import write_idx

from nanocl.data import DataMissing, archives, download, limits, load
from nanocl.data.archives import Archive

pytestmark = pytest.mark.usefixtures("no_network")


UNREACHABLE = ("http://127.0.0.1:9/",)


def test_a_name_look_up_that_hangs_does_not_delay_the_message(tmp_path, monkeypatch):
    hang = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: hang.wait())
    monkeypatch.setattr(download, "PROBE_SECONDS", 0.5)
    start = time.monotonic()
    with pytest.raises(DataMissing, match=r"no answer in 0\.5 seconds"):
        load("mnist", tmp_path)
    assert time.monotonic() - start < 3
    hang.set()


def test_probing_all_mirrors_takes_less_than_eight_seconds():
    assert download.PROBE_SECONDS < 8


def test_downloading_can_be_switched_off(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_open", lambda *args: pytest.fail("used the network"))
    with pytest.raises(DataMissing, match="switched off"):
        load("cifar10", tmp_path, download=False)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        """Nothing: the test reads what the download prints."""

    def do_GET(self):
        if self.path.startswith("/away/"):
            self.send_response(302)
            self.send_header("Location", "http://localhost:1/t10k-images-idx3-ubyte.gz")
            self.end_headers()
        else:
            super().do_GET()


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A web server with idx files of a small MNIST, and the archive that lists them."""
    monkeypatch.setattr(download, "SCHEMES", ("https://", "http://127.0.0.1:"))
    folder = tmp_path / "mirror"
    write_idx(folder)
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=folder)
    )
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    files = {
        path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())
    }
    yield Archive("MNIST/raw", files, (*UNREACHABLE, f"http://127.0.0.1:{server.server_port}/"))
    server.shutdown()
    server.server_close()


def test_missing_data_is_downloaded_from_the_mirror_that_answers(
    tmp_path, monkeypatch, mirror, capsys
):
    monkeypatch.setitem(archives.ARCHIVES, "mnist", mirror)
    assert len(load("mnist", tmp_path / "root").train_labels) == 20
    assert sorted(path.name for path in (tmp_path / "root/MNIST/raw").iterdir()) == sorted(
        mirror.files
    )
    assert re.findall(r"downloading (\S+) \(", capsys.readouterr().err) == [
        mirror.mirrors[1] + f for f in mirror.files
    ]


def test_a_download_with_the_wrong_checksum_is_not_kept(tmp_path, monkeypatch, mirror):
    mirror.files["t10k-labels-idx1-ubyte.gz"] = "0" * 32
    monkeypatch.setitem(archives.ARCHIVES, "mnist", mirror)
    with pytest.raises(DataMissing, match=r"t10k-labels-idx1-ubyte\.gz has the wrong checksum"):
        load("mnist", tmp_path / "root")
    assert not list((tmp_path / "root/MNIST/raw").glob("t10k-labels*"))


def test_every_mirror_has_https():
    mirrors = [mirror for archive in archives.ARCHIVES.values() for mirror in archive.mirrors]
    assert mirrors and all(mirror.startswith("https://") for mirror in mirrors)
    assert all(archive.files.values() for archive in archives.ARCHIVES.values())


def test_nothing_is_downloaded_without_https(tmp_path, monkeypatch, mirror):
    monkeypatch.setattr(download, "SCHEMES", ("https://",))
    assert "downloads need https, got http://127" in download.download(mirror, tmp_path / "root")
    assert not list(tmp_path.glob("root/**/*.gz"))


def test_a_redirection_away_from_https_is_not_followed(tmp_path, mirror):
    away = Archive(mirror.folder, mirror.files, (f"{mirror.mirrors[-1]}away/",))
    reason = download.download(away, tmp_path / "root")
    assert "downloads need https, got http://localhost:1/" in reason


def test_a_download_above_the_limit_is_deleted(tmp_path, monkeypatch, mirror):
    monkeypatch.setattr(limits, "MOST_BYTES", 100)
    reason = download.download(mirror, tmp_path / "root")
    assert "sends more than 100 bytes" in reason
    assert not [path for path in tmp_path.glob("root/**/*") if path.is_file()]
