"""The official layouts, made small: idx files, CIFAR's pickles, Flowers-102; and the digits."""

import hashlib
import io
import pickle
import tarfile

import numpy as np
import pytest
from idx_files import idx_bytes, write_idx
from PIL import Image

from nanocl.data import fingerprint, flowers, load, sources
from nanocl.data.archives import ARCHIVES
from nanocl.data.cifar import CIFAR10, LAYOUTS, unpickle
from nanocl.records import UserError


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))
    monkeypatch.setattr(sources, "DEBIAN", tmp_path / "debian")


def cached(root):
    return list(root.rglob("*.safetensors"))


@pytest.mark.parametrize("place", ["MNIST/raw", "mnist/MNIST/raw", "mnist"])
@pytest.mark.parametrize("packed", [True, False])
def test_idx_files_are_read_from_every_place(tmp_path, place, packed):
    arrays = write_idx(tmp_path / place, packed=packed)
    data = load("mnist", tmp_path)
    assert np.array_equal(data.train_inputs[:, 0], arrays["train-images-idx3-ubyte"])
    assert np.array_equal(data.test_labels, arrays["t10k-labels-idx1-ubyte"])
    assert data.facts() == {
        "name": "mnist",
        "fingerprint": data.fingerprint,
        "release": "other",
        "train": 20,
        "test": 10,
        "shape": [1, 28, 28],
        "classes": 10,
    }


def test_fashion_mnist_is_found_where_debian_puts_it(tmp_path):
    write_idx(tmp_path / "debian")
    assert load("fashion-mnist", tmp_path / "nowhere", download=False).classes[9] == "Ankle boot"


def test_arrays_are_resized_like_image_files(tmp_path):
    arrays = write_idx(tmp_path / "MNIST/raw")
    data = load("mnist", tmp_path, image_size=14)
    pixels = Image.fromarray(arrays["t10k-images-idx3-ubyte"][3]).resize(
        (14, 14), Image.Resampling.BILINEAR
    )
    assert np.array_equal(data.test_inputs[3, 0], np.asarray(pixels))


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"])
def test_a_truncated_gzip_file_is_named_and_nothing_is_cached(tmp_path, name):
    write_idx(tmp_path / "MNIST/raw")
    path = tmp_path / "MNIST/raw" / name
    whole = path.read_bytes()
    for size in (len(whole) - 1, len(whole) - 12, 5):
        path.write_bytes(whole[:size])
        with pytest.raises(UserError, match=f"{name} is not a complete gzip file"):
            load("mnist", tmp_path)
    assert cached(tmp_path) == []


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:-1], "truncated or damaged"),
        (lambda data: data + b"x", "truncated or damaged"),
        (lambda data: b"", "not an idx file"),
        (lambda data: b"<html>" + data, "not an idx file"),
    ],
)
def test_a_damaged_idx_file_is_named(tmp_path, damage, message):
    write_idx(tmp_path / "MNIST/raw", packed=False)
    path = tmp_path / "MNIST/raw/t10k-images-idx3-ubyte"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=f"t10k-images-idx3-ubyte.* {message}"):
        load("mnist", tmp_path)


def test_labels_that_do_not_fit_the_images_are_refused(tmp_path):
    write_idx(tmp_path / "MNIST/raw", packed=False)
    labels = tmp_path / "MNIST/raw/train-labels-idx1-ubyte"
    labels.write_bytes(idx_bytes(np.zeros(19, np.uint8)))
    with pytest.raises(UserError, match=r"20 images, but .* 19 labels"):
        load("mnist", tmp_path)
    labels.write_bytes(idx_bytes(np.full(20, 10, np.uint8)))
    with pytest.raises(UserError, match="labels below 10, got 10"):
        load("mnist", tmp_path)


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


def write_tar(path, folder, files):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(f"{folder}/{name}" if folder else name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


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
        b"\x80\x02}U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x02K\x02\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
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
def test_a_pickle_that_would_run_a_program_is_refused_unrun(tmp_path, file):
    values, files = cifar_files()
    files[file] = pickle.dumps({**values[file], "filenames": [Harm(tmp_path / "harm")]}, 2)
    write_tar(tmp_path / CIFAR10.archive, CIFAR10.folder, files)
    with pytest.raises(
        UserError, match=rf"{file} is not a complete pickle .* it contains (io|_io)\.open"
    ):
        load("cifar10", tmp_path)
    assert not (tmp_path / "harm").exists() and cached(tmp_path) == []


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


def test_a_truncated_tar_file_is_named_and_nothing_is_cached(tmp_path):
    path = write_tar(tmp_path / CIFAR10.archive, CIFAR10.folder, cifar_files()[1])
    whole = path.read_bytes()
    for size in (len(whole) - 5, len(whole) // 2, 100, 0):
        path.write_bytes(whole[:size])
        with pytest.raises(
            UserError, match=r"cifar-10-python\.tar\.gz (is not a complete tar file|lacks)"
        ):
            load("cifar10", tmp_path)
    assert cached(tmp_path) == []


def write_flowers(folder, *, packed):
    from scipy.io import savemat

    folder.mkdir(parents=True)
    random, files = np.random.default_rng(3), {}
    for number in range(1, 13):
        file = io.BytesIO()
        shape = (16, 16 + number, 3)
        Image.fromarray(random.integers(0, 256, shape, np.uint8)).save(file, "JPEG")
        files[f"image_{number:05d}.jpg"] = file.getvalue()
    savemat(folder / flowers.LABELS, {"labels": [[(n % 3) + 1 for n in range(12)]]})
    savemat(
        folder / flowers.IDS, {"trnid": [[12, 1, 2]], "valid": [[3, 4]], "tstid": [[5, 6, 7, 8]]}
    )
    if packed:
        write_tar(folder / flowers.TAR, "jpg", files)
    else:
        (folder / "jpg").mkdir()
        for name, data in files.items():
            (folder / "jpg" / name).write_bytes(data)


def test_flowers_read_alike_from_the_tar_file_and_the_folder(tmp_path):
    write_flowers(tmp_path / "packed/flowers-102", packed=True)
    write_flowers(tmp_path / "unpacked/flowers102", packed=False)
    data = load("flowers102", tmp_path / "packed", image_size=8)
    assert data.train_labels.tolist() == [0, 1, 2] and data.test_labels.tolist() == [1, 2, 0, 1]
    assert len(data.classes) == 102 and data.train_inputs.shape == (3, 3, 8, 8)
    assert fingerprint("flowers102", tmp_path / "unpacked", image_size=8) == data.fingerprint


def test_flowers_of_many_sizes_need_an_image_size(tmp_path):
    write_flowers(tmp_path / "flowers-102", packed=True)
    with pytest.raises(
        UserError, match=r"102flowers\.tgz/image_00002\.jpg is 18x16; pass stream\.image_size"
    ):
        load("flowers102", tmp_path)


def test_flowers_are_official_by_the_checksums_of_all_three_files(tmp_path, monkeypatch):
    folder = tmp_path / "flowers-102"
    write_flowers(folder, packed=True)
    for name in ARCHIVES["flowers102"].files:
        assert not load("flowers102", tmp_path, image_size=4).official
        (tmp_path / ".nanocl" / "flowers102-4.safetensors").unlink()
        md5 = hashlib.md5((folder / name).read_bytes()).hexdigest()
        monkeypatch.setitem(ARCHIVES["flowers102"].files, name, md5)
    assert load("flowers102", tmp_path, image_size=4).official


@pytest.mark.parametrize("name", [flowers.LABELS, flowers.IDS])
def test_a_damaged_matlab_file_is_named(tmp_path, name):
    write_flowers(tmp_path / "flowers-102", packed=False)
    path = tmp_path / "flowers-102" / name
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match=f"{name} is not a complete MATLAB file"):
        load("flowers102", tmp_path, image_size=8)


def test_a_missing_flower_is_named(tmp_path):
    write_flowers(tmp_path / "flowers-102", packed=False)
    (tmp_path / "flowers-102/jpg/image_00006.jpg").unlink()
    with pytest.raises(UserError, match=r"cannot read .*image_00006\.jpg: No such file"):
        load("flowers102", tmp_path, image_size=8)


def test_digits_are_official_stratified_and_whole(tmp_path):
    from sklearn.datasets import load_digits

    data = load("digits", tmp_path / "nowhere")
    assert data.official and not (tmp_path / "nowhere").exists()
    assert (len(data.train_labels), len(data.test_labels)) == (1442, 355)
    assert (
        np.abs(np.bincount(data.test_labels) / np.bincount(load_digits().target) - 0.2).max() < 0.01
    )
    stored = np.sort(
        np.concatenate([data.train_inputs, data.test_inputs]).reshape(1797, -1), axis=0
    )
    assert np.abs(stored / 255 * 16 - np.sort(load_digits().data, axis=0)).max() < 0.04
