"""`python -m nanocl.tune`, used as people use it."""

import os
import shutil
import subprocess
import sys
import tomllib

import pytest
from commands import called
from making import a_result

from nanocl import tune
from nanocl.records import store

SGD = ("--tier", "smoke", "--strategy", "sgd")


def call(folder, *arguments):
    """The command in this process, with the folders that it has by default in another one."""
    folders = ("--results", folder / "results", "--baselines", folder / "baselines")
    return called(*folders, *arguments, main=tune.main)


def recipes(folder):
    return {
        path.relative_to(folder).as_posix(): tomllib.loads(path.read_text())["baseline"]
        for path in sorted(folder.rglob("*.toml"))
    }


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tuning")
    return folder, subprocess.run(
        [sys.executable, "-m", "nanocl.tune", *SGD],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=300,
    )


def test_it_writes_a_baseline_trials_and_a_figure_and_says_what_was_chosen(first):
    folder, shown = first
    assert shown.returncode == 0, shown.stderr
    assert "sgd: 6 values of sgd.lr, 4 seeds" in shown.stderr
    ((name, (entry,)),) = recipes(folder / "baselines").items()
    assert name == "split-digits/sgd.toml"
    chosen = entry["options"]["sgd"]["lr"]
    assert f"sgd.lr={chosen:g}" in shown.stdout
    tried, problems = store.load_all(folder / "results" / "tuning")
    assert not problems and len(tried) == entry["tuning"]["runs"]
    assert {run.spec.seed for run in tried} == {1000, 1001, 1002, 1003}
    assert {run.spec.training.measured_on for run in tried} == {"validation"}
    assert list((folder / "results" / "tuning" / "figures").rglob("sgd-domain.svg"))


def test_the_winner_has_the_best_mean_of_the_records_or_learns_better_within_its_error(first):
    folder, _ = first
    (entry,) = recipes(folder / "baselines")["split-digits/sgd.toml"]
    tried, _ = store.load_all(folder / "results" / "tuning")
    means = {}
    for run in tried:
        rate = run.spec.strategy[0].options["lr"]
        last = run.evaluation[-1]
        means.setdefault(rate, []).append(sum(last) / len(last))
    means = {rate: sum(values) / 4 for rate, values in means.items()}
    written = {trial["setting"]: trial["mean"] for trial in entry["tuning"]["trial"]}
    assert written == {f"sgd.lr={rate:g}": pytest.approx(m, abs=1e-5) for rate, m in means.items()}


def test_a_second_call_trains_nothing_and_finds_the_same(first):
    folder, shown = first
    before = recipes(folder / "baselines")
    times = [path.stat().st_mtime_ns for path in (folder / "results").rglob("*.json")]
    again = call(folder, *SGD)
    assert again.stdout == shown.stdout and recipes(folder / "baselines") == before
    assert times == [path.stat().st_mtime_ns for path in (folder / "results").rglob("*.json")]


def copy_without_a_quarter_of_the_records(folder, to):
    shutil.copytree(folder / "results", to / "results")
    for path in sorted((to / "results").rglob("*.json"))[::4]:
        path.unlink()


def test_a_call_that_lost_some_of_its_records_finds_the_same(first, tmp_path):
    folder, _ = first
    before = recipes(folder / "baselines")
    copy_without_a_quarter_of_the_records(folder, tmp_path)
    again = call(tmp_path, *SGD)
    after = recipes(tmp_path / "baselines")
    for entry in (*before["split-digits/sgd.toml"], *after["split-digits/sgd.toml"]):
        entry["tuning"].pop("cpu_seconds")
    assert after == before and again.returncode == 0


def test_what_was_tuned_on_the_test_data_is_kept_apart(tmp_path):
    shown = call(tmp_path, *SGD, "--select", "oracle")
    assert shown.returncode == 0 and "oracle: no fair comparison" in shown.stdout
    assert "python -m nanocl.run does not use them" in shown.stdout
    assert not (tmp_path / "baselines").exists()
    assert list(recipes(tmp_path / "results" / "tuning")) == ["oracle/split-digits/sgd.toml"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--strategy", "er"], "er has nothing to tune"),
        (["--select", "validation"], "did you mean 'validation-split'"),
        (["--score", "acc"], "--score must be one of average_accuracy"),
        (["--select", "first-experiences:9"], "training.experiences must be at most 5"),
        (["--shard", "1/2"], "--shard: a search needs all results of a learner"),
        (["--set", "probe.magnitude=true"], "only python -m nanocl.run probes runs"),
        (["--trials", "-1"], "--trials must be at least 1, got -1"),
        (["--cpu-seconds", "9"], "--cpu-seconds needs --trials"),
        (["--stream", "split-digit"], "did you mean 'split-digits'"),
        (["--strategy", "nanoadm"], "did you mean 'nanoadam'"),
    ],
)
def test_a_mistake_is_one_clear_line_and_exit_code_2(
    tmp_path, monkeypatch, capsys, arguments, words
):
    monkeypatch.chdir(tmp_path)
    assert tune.main(arguments) == 2
    shown = capsys.readouterr()
    assert words in shown.err and not shown.out


BROKEN = """
from nanocl.strategies import Strategy


class Broken(Strategy):
    search_space = {"strength": (1, 10)}

    def __init__(self, *, strength: float = 1.0) -> None:
        super().__init__()

    def before_training_exp(self, strategy, **kwargs):
        raise ValueError("strength is too high")
"""


def test_a_learner_that_fails_or_diverges_everywhere_leaves_the_others_their_results(
    first, tmp_path
):
    (tmp_path / "broken.py").write_text(BROKEN)
    copy_without_a_quarter_of_the_records(first[0], tmp_path)
    words = ("--plugin", tmp_path / "broken.py", "--strategy", "broken,sgd", "--tier", "smoke")
    shown = call(tmp_path, *words)
    assert shown.returncode == 1 and "Traceback" not in shown.stderr
    assert shown.stderr.count("strength is too high; nothing is written for broken") == 1
    assert list(recipes(tmp_path / "baselines")) == ["split-digits/sgd.toml"]


def test_where_every_run_of_every_learner_diverged_there_is_no_table(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    diverged = a_result(status="diverged", evaluation=())
    monkeypatch.setattr(tune.measurement, "missing", lambda runs, call: [])
    monkeypatch.setattr(tune.store, "find", lambda run, root: diverged)
    assert tune.main(["--strategy", "sgd"]) == 1
    shown = capsys.readouterr()
    assert (
        "sgd: in every setting a run diverged or left an experience unmastered; nothing is written"
        in shown.err
        and not shown.out
    )
