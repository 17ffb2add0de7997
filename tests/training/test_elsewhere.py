"""A run on another machine has the same numbers, and all that it needs and saves travels."""

import pickle
import shutil
import subprocess
import sys
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from encoders import write_encoder, write_texts
from making import a_result
from pictures import pictures, write_zip
from small_runs import numbers, spec

from nanocl.protocols.pinning import pin
from nanocl.records import Notice, Progress, SavedFile, probes
from nanocl.training import elsewhere, experiment
from nanocl.training.context import Context
from nanocl.training.elsewhere import Elsewhere


def never():
    raise AssertionError("nothing should be fetched")


def run(run_one, run_spec, told, contents=None, fetch=never, workers=1):
    return run_one(
        run_spec, tell=told.append, contents=contents or {}, fetch=fetch, workers=workers
    )


@pytest.fixture
def with_checkpoints():
    """A context of this machine, whose folders do not exist on the other one."""
    return Context(checkpoints=Path("/nowhere/.part"), checkpoint_minutes=0, workers=4)


def saved(told):
    return [message for message in told if isinstance(message, SavedFile)]


def test_it_loads_no_torch():
    code = "import sys, nanocl.training.elsewhere; print('torch' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"


def test_a_checkpoint_is_sent_after_each_experience_and_the_folder_is_deleted(
    with_checkpoints, tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    told = []
    result = run(Elsewhere(with_checkpoints), spec(), told)
    assert numbers(result) == numbers(experiment.run_one(spec(), Context()))
    assert [file.path for file in saved(told)] == [f".part/{spec().digest}.pt"] * 5
    assert any(isinstance(message, Progress) for message in told)
    assert not list(tmp_path.glob("nanocl-*"))


def test_a_run_goes_on_from_the_files_that_come_with_it(with_checkpoints):
    told, again = [], []
    whole = run(Elsewhere(with_checkpoints), spec(), told)
    second = saved(told)[1]
    result = run(Elsewhere(with_checkpoints), spec(), again, contents={second.path: second.content})
    assert numbers(result) == numbers(whole)
    assert len(saved(again)) == 3  # of the experiences after the second


def test_checkpoints_within_an_experience_are_sent_too(with_checkpoints):
    told, again = [], []
    often = replace(with_checkpoints, checkpoint_minutes=1e-9)
    whole = run(Elsewhere(often), spec(), told)
    within = [file for file in saved(told) if file.path.endswith(".within.pt")]
    assert len(within) > 5
    result = run(
        Elsewhere(with_checkpoints), spec(), again, contents={within[1].path: within[1].content}
    )
    assert numbers(result) == numbers(whole)
    assert result.cost.steps == whole.cost.steps


def test_the_record_says_how_many_runs_the_other_machine_takes(with_checkpoints):
    for workers, recorded in ((1, 1), (2, 2), (8, 4)):
        result = run(Elsewhere(with_checkpoints), spec("sgd"), [], workers=workers)
        assert result.cost.workers == recorded


def test_a_probe_is_sent_at_the_end():
    context = Context(probes=Path("/nowhere/probes"))
    told = []
    run(Elsewhere(context), spec(), told)
    (file,) = saved(told)
    path = probes.path_of(spec(), Path("probes"))
    assert file.path == path.as_posix() and file.content


def test_our_warnings_on_the_other_machine_are_notices_of_the_run(monkeypatch):
    def warn(run_spec, context, tell):
        warnings.warn("of another package", stacklevel=1)
        warnings.warn_explicit("decoding again", UserWarning, "x.py", 1, module="nanocl.data.x")
        return made

    made = a_result(spec())
    monkeypatch.setattr(experiment, "run_one", warn)
    told = []
    assert run(Elsewhere(Context()), spec(), told) is made
    assert told == [Notice(spec().digest, "decoding again")]


def insects(root):
    write_zip(root / "insects.zip", pictures(train=8, test=4))
    settings = {"stream": {"data": "insects", "experiences": "2"}}
    return pin([spec(stream="split-folder", model="mlp", settings=settings)], root)[0]


def test_data_that_the_other_machine_lacks_is_fetched_and_verified(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = tmp_path / "root"
    run_spec = insects(root)
    files = elsewhere.data_files([run_spec], root)
    run_one = Elsewhere(Context(data_root=root), elsewhere.key_of(files))
    here = run(run_one, run_spec, [])  # nothing is fetched where the data is
    shutil.rmtree(root)
    there = run(run_one, run_spec, [], fetch=lambda: files)
    assert numbers(there) == numbers(here) and there.data == here.data
    assert numbers(run(run_one, run_spec, [])) == numbers(here)  # nor a second time


def test_an_encoder_travels_with_the_texts(tmp_path, monkeypatch):
    pytest.importorskip("transformers")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = tmp_path / "root"
    write_encoder(root / "bert")
    write_texts(root / "first", (0, 1, 2))
    settings = {"stream": {"datasets": "first,first[0-1]"}}
    wanted = spec("adamw", stream="finetune", model="transformers:bert", settings=settings)
    run_spec = pin([wanted], root)[0]
    files = elsewhere.data_files([run_spec], root)
    run_one = Elsewhere(Context(data_root=root), elsewhere.key_of(files))
    here = run(run_one, run_spec, [])
    shutil.rmtree(root)
    assert numbers(run(run_one, run_spec, [], fetch=lambda: files)) == numbers(here)


def test_data_of_the_other_machine_that_is_not_the_same_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = tmp_path / "root"
    run_spec = insects(root)
    files = elsewhere.data_files([run_spec], root)
    write_zip(root / "insects.zip", pictures(train=8, test=4, classes=("fly", "wasp", "ant")))
    run_one = Elsewhere(Context(data_root=root), elsewhere.key_of(files))
    assert run(run_one, run_spec, [], fetch=lambda: files).data[0]["fingerprint"] == run_spec.data


def test_the_context_with_a_plugin_file_can_be_sent(with_checkpoints):
    sent = pickle.loads(pickle.dumps(Elsewhere(with_checkpoints, "0123")))
    assert sent.key == "0123" and sent.context.workers == 4


def test_the_files_that_a_run_sends_become_its_checkpoint(with_checkpoints, tmp_path):
    told = []
    run(Elsewhere(with_checkpoints), spec("sgd"), told)
    for file in saved(told):
        elsewhere.keep(file, tmp_path)
    last = saved(told)[-1]
    assert elsewhere.checkpoint_of(spec("sgd"), tmp_path) == {last.path: last.content}


@pytest.mark.parametrize("path", ["runs/a.json", ".part/../../a", "", "/etc/passwd"])
def test_a_file_with_another_place_is_refused(tmp_path, path):
    with pytest.raises(ValueError, match="a run sends checkpoints and probes"):
        elsewhere.keep(SavedFile("0" * 12, path, b""), tmp_path)
