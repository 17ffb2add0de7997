"""CIFAR's pickles, made small: plain values and arrays of bytes are read, programs are not run."""

import hashlib
import pickle

import numpy as np
import pytest
from tar_files import write_tar

from nanocl.data import fingerprint, load
from nanocl.data.cifar import CIFAR10, LAYOUTS, unpickle
from nanocl.records import UserError

pytestmark = pytest.mark.usefixtures("own_cache")


def cifar_files(name="cifar10", *, protocol=2):
    layout, random = LAYOUTS[name], np.random.default_rng(2)
    classes = [f"class {n}" for n in range(10 if name == "cifar10" else 100)]
    files = {layout.meta: {layout.names: classes, "num_vis": 3072}}
    for batch in (*layout.train, *layout.test):
        files[batch] = {
            "data": random.integers(0, 256, (10, 3072), np.uint8),
            "filenames": ["a.png"] * 10,
            layout.labels: random.integers(0, len(classes), 10).tolist(),
            "batch_label": batch,
        }
    return files, {file: pickle.dumps(values, protocol) for file, values in files.items()}


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
@pytest.mark.parametrize("protocol", [2, 4])
def test_cifar_reads_alike_from_torchvisions_tar_file_and_folder(tmp_path, name, protocol):
    layout = LAYOUTS[name]
    values, files = cifar_files(name, protocol=protocol)
    write_tar(tmp_path / "packed" / layout.archive, layout.folder, files)
    unpacked = tmp_path / "unpacked" / layout.folder
    unpacked.mkdir(parents=True)
    for file, content in files.items():
        (unpacked / file).write_bytes(content)
    data = load(name, tmp_path / "packed")
    pixels = np.concatenate([values[batch]["data"] for batch in layout.train])
    assert np.array_equal(data.train_inputs.reshape(-1, 3072), pixels)
    assert data.test_labels.tolist() == values[layout.test[0]][layout.labels]
    assert (data.classes[3], data.train_inputs.shape[1:], data.official) == (
        "class 3",
        (3, 32, 32),
        False,
    )
    assert fingerprint(name, tmp_path / "unpacked") == data.fingerprint


def test_a_python_2_pickle_of_an_array_is_read():
    # what Python 2 with numpy writes at protocol 2, but for memo marks: bytes are text, numpy lives
    # in numpy.core
    array = (
        b"\x80\x02}U\x04datacnumpy.core.multiarray\n_reconstruct\n"
        b"cnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x02K\x02\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R"
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
        b"K\x00tb\x89U\x04\x00\x7f\x80\xfftbs."
    )
    assert unpickle(array, "it")["data"].values.tolist() == [[0, 127], [128, 255]]


def test_cifar_is_official_exactly_when_its_checksums_are(tmp_path, monkeypatch):
    _, files = cifar_files()
    archive = write_tar(tmp_path / "packed" / CIFAR10.archive, CIFAR10.folder, files)
    unpacked = tmp_path / "unpacked" / CIFAR10.folder
    unpacked.mkdir(parents=True)
    for name, content in {**files, CIFAR10.archive: archive.read_bytes()}.items():
        monkeypatch.setitem(CIFAR10.checksums, name, hashlib.md5(content).hexdigest())
        if name in files:
            (unpacked / name).write_bytes(content)
    assert load("cifar10", tmp_path / "packed").official
    assert load("cifar10", tmp_path / "unpacked").facts()["release"] == "official"
    assert load("cifar10", tmp_path / "unpacked", image_size=16).official
    (unpacked / "data_batch_3").write_bytes(files["data_batch_2"])
    assert not load("cifar10", tmp_path / "unpacked").official


class Harm:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("file", ["data_batch_2", "test_batch", "batches.meta"])
def test_a_pickle_that_would_run_a_program_is_refused_and_not_run(tmp_path, cached, file):
    values, files = cifar_files()
    files[file] = pickle.dumps({**values[file], "filenames": [Harm(tmp_path / "harm")]}, 2)
    write_tar(tmp_path / CIFAR10.archive, CIFAR10.folder, files)
    with pytest.raises(
        UserError, match=rf"{file} is not a complete pickle .* it contains (io|_io)\.open"
    ):
        load("cifar10", tmp_path)
    assert not (tmp_path / "harm").exists() and cached() == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": np.zeros((10, 3072), np.float32)}, "type 'f4'"),
        ({"data": np.zeros((10, 3000), np.uint8)}, r"must contain 'data' \(n, 3072\)"),
        ({"data": "text"}, r"must contain 'data' \(n, 3072\)"),
        ({"data": np.zeros((9, 3072), np.uint8)}, r"must contain 'data' \(n, 3072\)"),
        ({"labels": [0] * 9 + [10]}, "labels from 0 to 9"),
        ({"labels": [0] * 9 + ["x"]}, "labels from 0 to 9"),
        ({"labels": None}, "n labels under 'labels'"),
    ],
)
def test_a_batch_of_the_wrong_form_is_named(tmp_path, change, message):
    values, files = cifar_files()
    files["data_batch_4"] = pickle.dumps({**values["data_batch_4"], **change}, 2)
    write_tar(tmp_path / CIFAR10.archive, CIFAR10.folder, files)
    with pytest.raises(UserError, match=f"data_batch_4 .*{message}"):
        load("cifar10", tmp_path)


def test_a_truncated_tar_file_is_named_and_nothing_is_cached(tmp_path, cached):
    path = write_tar(tmp_path / CIFAR10.archive, CIFAR10.folder, cifar_files()[1])
    whole = path.read_bytes()
    for size in (len(whole) - 5, len(whole) // 2, 100, 0):
        path.write_bytes(whole[:size])
        with pytest.raises(
            UserError, match=r"cifar-10-python\.tar\.gz (is not a complete tar file|lacks)"
        ):
            load("cifar10", tmp_path)
    assert cached() == []
