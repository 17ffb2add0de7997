"""A digest says which data a run was trained on."""

import pytest
from pictures import pictures, write_folder

from nanocl import data
from nanocl.plugins.catalogue import INSTALLED
from nanocl.protocols import suite
from nanocl.protocols.pinning import pin
from nanocl.protocols.request import Request
from nanocl.records import UserError


def pinned(data_root=None, **values):
    return pin(suite.specs(Request(seeds=(0, 1), **values), INSTALLED), data_root)


def test_every_run_has_the_fingerprint_of_its_data():
    runs = pinned(strategies=("sgd", "adam"))
    assert {run.data for run in runs} == {data.fingerprint("digits", None)}


def test_several_data_sets_have_their_fingerprints_joined_each_once():
    settings = {"stream": {"datasets": "digits[0-4],digits[5-9]"}}
    (run,) = {run.data for run in pinned(stream="finetune", strategies=("sgd",), settings=settings)}
    assert run == data.fingerprint("digits", None, image_size=32), "finetune's images have 32 x 32"


def test_another_size_of_the_images_is_other_data():
    settings = {"stream": {"image_size": "4"}}
    (small,) = {run.data for run in pinned(strategies=("sgd",), settings=settings)}
    assert small != data.fingerprint("digits", None)


def test_a_synthetic_stream_has_no_fingerprint():
    assert {run.data for run in pinned(stream="teacher-student", strategies=("sgd",))} == {""}


def test_a_stream_without_its_data_set_is_refused_with_how_to_name_one():
    with pytest.raises(UserError, match=r"split-folder needs a data set: --set stream\.data=NAME"):
        pinned(stream="split-folder", strategies=("sgd",))


def test_one_split_has_one_digest_however_it_is_written(tmp_path):
    write_folder(tmp_path / "own", pictures(train=4, test=0))
    digests = set()
    for name in ("own:test=0.5", "own:test=.50", "own:test=0.500:seed=0", "own:test=0.5:seed=1"):
        settings = {"stream": {"data": name}}
        runs = pinned(tmp_path, stream="split-folder", strategies=("sgd",), settings=settings)
        digests.add(runs[0].digest)
    assert len(digests) == 2, "two seeds of the draw"
