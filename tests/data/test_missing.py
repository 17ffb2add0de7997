"""Data that is not there: one quick message, or a download."""

import functools
import hashlib
import http.server
import re
import socket
import threading
import time

import pytest
from idx_files import write_idx
from pictures import pictures, write_folder

from nanocl.data import DataMissing, archives, download, load, sources
from nanocl.data.archives import ARCHIVES, Archive
from nanocl.records import UserError

UNREACHABLE = ("http://127.0.0.1:9/",)


@pytest.fixture(autouse=True)
def no_network(tmp_path, monkeypatch):
    """Every look-up of a name fails, as on a machine without network."""

    def refuse(host, *args, **kwargs):
        if host in ("127.0.0.1", "localhost"):
            return original(host, *args, **kwargs)
        raise socket.gaierror(-2, "Name or service not known")

    original = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))
    monkeypatch.setattr(sources, "DEBIAN", tmp_path / "debian")


@pytest.mark.parametrize("name", list(ARCHIVES))
def test_missing_data_is_one_quick_message_with_every_place_and_way(tmp_path, name):
    start = time.monotonic()
    with pytest.raises(DataMissing) as caught:
        load(name, tmp_path)
    assert time.monotonic() - start < 5
    message = str(caught.value)
    assert isinstance(caught.value, UserError)
    for part in (
        f"data set '{name}' was not found",
        f"{tmp_path / name}/{{train,test}}/<class>/",
        f"{tmp_path / name}.zip",
        "--data-root",
        "NANOCL_DATA_ROOT",
        next(iter(ARCHIVES[name].files)),
        str(tmp_path / ARCHIVES[name].folder),
        "torchvision's archives",
        "Name or service not known",
    ):
        assert part in message, part
    assert ("apt-get install dataset-fashion-mnist" in message) == (name == "fashion-mnist")
    assert list(tmp_path.iterdir()) == []


def test_a_name_look_up_that_hangs_does_not_hold_up_the_message(tmp_path, monkeypatch):
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


def test_a_missing_data_root_is_said(tmp_path):
    with pytest.raises(DataMissing, match=r"the data root .*nowhere does not exist"):
        load("mnist", tmp_path / "nowhere")


def test_an_incomplete_set_of_idx_files_is_said(tmp_path):
    folder = tmp_path / "MNIST/raw"
    folder.mkdir(parents=True)
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte"):
        (folder / name).write_bytes(b"")
    with pytest.raises(DataMissing, match=r"incomplete: t10k-labels-idx1-ubyte missing"):
        load("mnist", tmp_path)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("cifer10", "cifar10"),
        ("FashionMNIST", "fashion-mnist"),
        ("insect", "insects"),
        ("Digits", "digits"),
    ],
)
def test_a_misspelt_name_is_asked_about_without_a_download(tmp_path, name, meant):
    write_folder(tmp_path / "insects", pictures())
    with pytest.raises(
        DataMissing, match=f"no data set '{name}', did you mean '{meant}'"
    ) as caught:
        load(name, tmp_path)
    assert "downloaded" not in str(caught.value)


def test_downloading_can_be_switched_off(tmp_path, monkeypatch):
    monkeypatch.setattr(
        download.urllib.request, "urlopen", lambda *args, **kwargs: pytest.fail("asked the network")
    )
    with pytest.raises(DataMissing, match="switched off"):
        load("cifar10", tmp_path, download=False)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        """Nothing: the test reads what the download prints."""


@pytest.fixture
def mirror(tmp_path):
    """A web server with idx files of a small MNIST, and the archive that lists them."""
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
