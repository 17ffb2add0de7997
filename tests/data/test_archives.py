"""The official files are those that torchvision downloads, under the same checksums."""

import hashlib

import pytest
from torchvision import datasets

from nanocl.data.archives import ARCHIVES, md5_of


@pytest.mark.parametrize(
    ("name", "theirs"), [("mnist", datasets.MNIST), ("fashion-mnist", datasets.FashionMNIST)]
)
def test_idx_files_have_the_checksums_of_torchvision(name, theirs):
    assert dict(theirs.resources) == ARCHIVES[name].files


def test_mnist_is_downloaded_from_the_mirrors_of_torchvision_that_have_https():
    have_https = [mirror for mirror in datasets.MNIST.mirrors if mirror.startswith("https:")]
    assert list(ARCHIVES["mnist"].mirrors) == have_https


@pytest.mark.parametrize(
    ("name", "theirs"), [("cifar10", datasets.CIFAR10), ("cifar100", datasets.CIFAR100)]
)
def test_cifar_has_the_name_checksum_and_address_of_torchvision(name, theirs):
    assert ARCHIVES[name].files == {theirs.filename: theirs.tgz_md5}
    assert ARCHIVES[name].mirrors[0] + theirs.filename == theirs.url


def test_flowers_have_the_names_checksums_and_address_of_torchvision():
    theirs = datasets.Flowers102
    assert ARCHIVES["flowers102"].files == dict(theirs._file_dict.values())
    assert ARCHIVES["flowers102"].mirrors[0] == theirs._download_url_prefix


def test_the_checksum_of_a_file_is_that_of_its_bytes(tmp_path):
    content = bytes(range(256)) * 9000
    (tmp_path / "file").write_bytes(content)
    assert md5_of(tmp_path / "file") == hashlib.md5(content).hexdigest()
