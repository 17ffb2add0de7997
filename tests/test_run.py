"""`python -m nanocl.run`, used as people use it."""

import os
import shlex
import shutil
import subprocess
import sys

import pytest
from commands import called, command
from pictures import pictures, write_zip

from nanocl import report, run
from nanocl.records import store

# the command; at its end, which heavy packages its own process has loaded
AS_MODULE = """
import runpy, sys
try:
    runpy.run_module("nanocl.run", run_name="__main__", alter_sys=True)
finally:
    print("loaded:", *({"torch", "avalanche", "numba"} & set(sys.modules)), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    folder = tmp_path_factory.mktemp("command")
    words = [sys.executable, "-c", AS_MODULE, "--tier", "smoke"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return folder, subprocess.run(
        words, cwd=folder, capture_output=True, text=True, env=environment, timeout=300
    )


def call(folder, *arguments):
    """A later call in this process, with the results folder of the first."""
    return called("--tier", "smoke", "--results", folder / "results", *arguments)


def test_a_first_call_trains_and_prints_one_screen(first):
    _, shown = first
    assert shown.returncode == 0, shown.stderr
    for word in ("forgotten", "moved", "state", "nanoadam", "adamw", "protocol"):
        assert word in shown.stdout
    assert "too short to compare" in shown.stdout and len(shown.stdout.splitlines()) < 24


def test_with_full_it_prints_the_three_tables_with_their_definitions(first):
    folder, _ = first
    shown = call(folder, "--full").stdout
    for text in ("Accuracy and forgetting", "Parameter drift (backbone)", "Cost", "ACC: mean_j"):
        assert text in shown


def test_a_second_call_trains_nothing_and_prints_the_same(first):
    folder, shown = first
    before = sorted(path.stat().st_mtime_ns for path in folder.rglob("*.json"))
    again = call(folder)
    assert again.stdout.split("runs measured")[0] == shown.stdout.split("runs measured")[0]
    assert "0 of them now" in again.stdout
    assert sorted(path.stat().st_mtime_ns for path in folder.rglob("*.json")) == before


def test_the_last_line_is_a_command_that_finds_the_results_folder_of_the_call(
    first, tmp_path, monkeypatch, capsys
):
    folder, _ = first
    shutil.copytree(folder / "results", tmp_path / "my results")
    monkeypatch.chdir(tmp_path)
    assert run.main(["--tier", "smoke", "--results", "my results"]) == 0
    advice = capsys.readouterr().out.splitlines()[-1]
    _, named = advice.rsplit("python -m nanocl.report", 1)
    assert report.main(shlex.split(named)) == 0
    assert (tmp_path / "my results" / "LEADERBOARD.md").exists()


def test_more_tests_are_measured_on_request_and_fewer_are_never_put_in_their_place(tmp_path):
    def measure(*more):
        shown = call(tmp_path, "--strategy", "sgd", *more)
        (path,) = (tmp_path / "results" / "runs").rglob("*.json")
        return shown, store.load(path, tmp_path / "results")

    shown, seen = measure()
    assert seen.evaluate == "seen" and seen.evaluation[0][1] is None
    assert "1 of them now" in shown.stdout
    shown, every = measure("--evaluate", "all")
    assert "1 of them now" in shown.stdout and None not in every.evaluation[0]
    for row, full in zip(seen.evaluation, every.evaluation, strict=True):
        assert all(a in (None, b) for a, b in zip(row, full, strict=True))
    shown, _ = measure()
    assert "0 of them now" in shown.stdout
    for more in (("--force",), ("--track-every", "2")):
        shown, last = measure(*more)
        assert "1 of them now" in shown.stdout and last.evaluation == every.evaluation
    assert last.tracking["every"] == 2
    shown, same = measure("--track-every", "3")
    assert shown.returncode == 2 and "use --track-every 2" in shown.stderr and same == last


def test_a_dry_run_tells_what_is_measured_and_trains_nothing(first):
    folder, _ = first
    shown = call(folder, "--seeds", "2", "--dry-run")
    lines = [line.split()[0] for line in shown.stdout.splitlines()[:-1]]
    assert shown.returncode == 0 and lines.count("measured") == 2 and lines.count("to") == 2


def test_a_dry_run_lists_the_norms_that_are_trained_densely(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["--tier", "smoke", "--dry-run", "--strategy", "nanoadam", "--model", "resnet32"]
    assert run.main(words) == 0
    assert "normalisation layers of resnet32: 31 BatchNorm2d (by type)" in capsys.readouterr().out


def test_a_dry_run_works_without_the_data(tmp_path):
    words = ("--stream", "split-cifar", "--dry-run", "--results", tmp_path / "results")
    shown = called(*words, "--data-root", tmp_path / "none")
    assert (
        shown.returncode == 0
        and "24 runs, 0 measured" in shown.stdout
        and "cifar10" in shown.stderr
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--stream", "split-cifr"), "did you mean 'split-cifar'"),
        (("--strategy", "nanoadm"), "did you mean 'nanoadam'"),
        (("--model", "mpl"), "did you mean 'mlp'"),
        (("--strategy", "adamw", "--set", "adamw.lrr=1"), "did you mean 'lr'"),
        (("--strategy", "adamw", "--set", "adamw.lr=fast"), "must be of type float"),
        (("--strategy", "adamw", "--set", "adamw.lr=-1"), "-1"),
        (("--set", "lr=1"), "PART.OPTION=VALUE"),
        (("--strategy", "adam+sgd"), "at most one part may bring an optimizer"),
        (("--seeds", "x"), "--seeds takes"),
        (("--seeds", "99999999999,"), "--seeds takes"),
        (("--workers", "-3"), "--workers must be at least 1"),
        (("--evaluate", "sen"), "did you mean 'seen'"),
        (("--evaluate", "every:0"), "every:K with K at least 1, got 'every:0'"),
        (("--track-every", "-1"), "--track-every must be at least 1"),
        (("--strategy", "+"), "unknown strategy ''"),
        (("--strategy", ","), "--strategy takes names"),
        (("--stream", "split-folder"), "split-folder needs a data set"),
        (("--stream", "split-folder", "--set", "stream.data=birds", "--data-root", "."), "birds"),
        (
            ("--set", "model.weights=cifar10_resnets/x.th", "--data-root", "there"),
            "x.th, neither at that path nor at there/cifar10_resnets/x.th; get it from "
            "https://github.com/akamaster/",
        ),
    ],
)
def test_a_mistake_is_one_clear_line_and_exit_code_2(
    tmp_path, monkeypatch, capsys, arguments, words
):
    monkeypatch.chdir(tmp_path)
    assert run.main(["--tier", "smoke", *arguments]) == 2
    shown = capsys.readouterr()
    assert words in shown.err and "Traceback" not in shown.err and not shown.out


def test_a_plugin_file_with_a_mistake_is_one_clear_line_and_exit_code_2(tmp_path):
    broken, hooked = tmp_path / "broken.py", tmp_path / "hooked.py"
    broken.write_text("class Broken(Strategy:\n")
    hooked.write_text(
        "from nanocl.strategies import Strategy\n\n\n"
        "class Hooked(Strategy):\n    '''Source: x.'''\n"
        "    def before_bakward(self, strategy, **kwargs):\n        pass\n"
    )
    shown = call(tmp_path, "--plugin", broken, "--strategy", "broken")
    assert shown.returncode == 2 and "syntax error in line 1" in shown.stderr
    shown = call(tmp_path, "--plugin", hooked, "--strategy", "hooked")
    assert shown.returncode == 2 and "did you mean 'before_backward'" in shown.stderr
    assert "Traceback" not in shown.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_results_folder_is_refused_before_training(tmp_path):
    tmp_path.chmod(0o500)
    shown = call(tmp_path)
    assert shown.returncode == 2 and "results" in shown.stderr


def test_a_results_folder_that_is_a_file_is_refused_before_training(tmp_path):
    (tmp_path / "results").write_text("")
    shown = call(tmp_path)
    assert shown.returncode == 2 and "results" in shown.stderr and "Traceback" not in shown.stderr


def test_a_diverging_learner_is_shown_and_the_others_go_on(tmp_path):
    shown = call(tmp_path, "--strategy", "adamw,sgd", "--set", "sgd.lr=1e30")
    assert shown.returncode == 0 and "diverged" in shown.stdout and "adamw" in shown.stdout


@pytest.mark.parametrize("arguments", [("--help",), ("--list",)])
def test_help_and_list_answer_within_half_a_second_of_the_interpreters_start(tmp_path, arguments):
    def seconds(*command):
        before = os.times()
        assert subprocess.run(command, capture_output=True, cwd=tmp_path).returncode == 0
        after = os.times()  # processor time: what else the machine is doing does not count
        return (
            after.children_user
            + after.children_system
            - before.children_user
            - before.children_system
        )

    limit = 0.5 + min(seconds(sys.executable, "-c", "pass") for _ in range(3))
    tries = (seconds(sys.executable, "-m", "nanocl.run", *arguments) for _ in range(3))
    assert any(needed < limit for needed in tries)


def test_no_warning_of_a_dependency_stands_before_the_message_that_matters(tmp_path):
    shown = command("--strategy", "torch:Nope", cwd=tmp_path, PYTHONWARNINGS="")
    assert shown.returncode == 2 and shown.stderr.startswith(
        "nanocl: torch has no optimizer 'Nope'"
    ), shown.stderr
    assert shown.stderr.count("\n") == 1


def test_real_cifar_runs_from_the_data_folder(tmp_path, data_root, monkeypatch):
    monkeypatch.setenv("NANOCL_DATA_ROOT", str(data_root.absolute()))
    shown = call(tmp_path, "--stream", "split-cifar", "--strategy", "adamw")
    assert shown.returncode == 0, shown.stderr
    assert "cifar10" in shown.stdout and "other" in shown.stdout


def test_a_damaged_copy_of_the_data_is_named_and_made_again(tmp_path):
    write_zip(tmp_path / "data" / "insects.zip", pictures(train=8, test=4))
    arguments = ["--stream", "split-folder", "--strategy", "sgd", "--model", "mlp"]
    arguments += ["--seeds", "1", "--set", "stream.data=insects", "--set", "stream.experiences=2"]
    arguments += ["--data-root", tmp_path / "data"]
    assert call(tmp_path, *arguments).returncode == 0
    (copy,) = (tmp_path / "data" / ".nanocl").glob("insects*.safetensors")
    content = bytearray(copy.read_bytes())
    content[-1] ^= 1
    copy.write_bytes(content)
    again = call(tmp_path, *arguments, "--force")
    assert again.returncode == 0
    (line,) = [line for line in again.stderr.splitlines() if "ignoring the decoded copy" in line]
    assert line.startswith("nanocl: ") and line.endswith("its tensors do not have their checksum")


def test_a_record_that_cannot_be_trusted_is_named_before_its_run_is_measured_again(
    first, monkeypatch, capsys
):
    folder, shown = first
    assert "runs to go" in shown.stderr
    record = next((folder / "results" / "runs").rglob("adamw/*.json"))
    whole = record.read_text()
    record.write_text(whole[:-30])
    monkeypatch.chdir(folder)
    assert run.main(["--tier", "smoke", "--dry-run"]) == 0
    record.write_text(whole)
    assert f"re-running: {record.relative_to(folder)}: it is not JSON" in capsys.readouterr().err


def test_a_command_that_trains_loads_no_torch_itself(first):
    _, shown = first
    assert shown.returncode == 0 and "runs to go" in shown.stderr
    assert shown.stderr.splitlines()[-1] == "loaded:"
