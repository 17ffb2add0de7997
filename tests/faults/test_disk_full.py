"""A disk that takes no more data ends in one line; what was there stays whole."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pictures import pictures, write_zip

pytestmark = pytest.mark.skipif(os.name == "nt", reason="limits the size of files")
RESULTS = Path(__file__).resolve().parents[2] / "results"
RUN = "nanocl.run --tier smoke --seeds 1 --workers 1 --strategy"


def limited(kilobytes, words, cwd):
    """A command of which no file can grow beyond a size; writing more fails as on a full disk."""
    shell = f'ulimit -f {kilobytes}; exec "{sys.executable}" -m {words}'
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        ["bash", "-c", shell],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def files_in(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_run_whose_record_cannot_be_written_is_named_and_the_next_call_measures_it(tmp_path):
    shown = limited(1, f"{RUN} sgd", tmp_path)
    assert shown.returncode == 1
    assert "sgd seed 0 failed: measured, but not stored: cannot write results" in shown.stderr
    assert "Traceback" not in shown.stderr
    assert not files_in(tmp_path / "results")


@pytest.mark.slow
def test_without_space_for_checkpoints_the_runs_are_measured_all_the_same(tmp_path):
    shown = limited(40, f"{RUN} nanoadam,er --checkpoint-minutes 0.0001", tmp_path)
    assert shown.returncode == 0 and "Traceback" not in shown.stderr
    assert "training on without a checkpoint, it cannot be written" in shown.stderr
    assert {path.suffix for path in files_in(tmp_path / "results")} == {".json"}


@pytest.mark.slow
def test_without_space_for_a_decoded_copy_the_data_is_decoded_again_next_time(tmp_path):
    write_zip(tmp_path / "data" / "insects.zip", pictures(train=400, test=4))
    words = f"{RUN} sgd --stream split-folder --set stream.data=insects --model mlp"
    words += " --set stream.experiences=2 --data-root data"
    shown = limited(40, words, tmp_path)
    assert shown.returncode == 0 and "Traceback" not in shown.stderr
    assert "data set insects will be decoded again next time: cannot write" in shown.stderr
    assert [path.name for path in files_in(tmp_path / "data")] == ["insects.zip"]


@pytest.mark.slow
def test_without_space_for_pretrained_weights_the_run_fails_in_one_line(tmp_path):
    words = f"{RUN} sgd --set model.pretrain=digits --data-root data"
    shown = limited(10, words, tmp_path)
    assert shown.returncode != 0 and "Traceback" not in shown.stderr
    assert "File too large" in shown.stderr
    assert not files_in(tmp_path / "data")


@pytest.mark.slow
def test_pages_that_cannot_be_written_stay_as_they_were(tmp_path):
    folder = tmp_path / "results"
    shutil.copytree(RESULTS / "runs" / "split-digits", folder / "runs" / "split-digits")
    (folder / "LEADERBOARD.md").write_text("of an earlier call\n")
    before = {path: path.read_bytes() for path in files_in(folder)}
    shown = limited(1, "nanocl.report", tmp_path)
    assert shown.returncode == 2 and "Traceback" not in shown.stderr
    assert shown.stderr.strip().splitlines()[-1].startswith("nanocl: cannot write ")
    after = {path: path.read_bytes() for path in files_in(folder)}
    assert {path: after[path] for path in before} == before
    assert not [path for path in after if path.name.startswith(".")]
