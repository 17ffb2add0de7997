"""Off a terminal each run that ended has a line with its outcome; in a terminal there are bars."""

import io

import pytest
from making import MATRIX, a_result, a_spec
from rich.console import Console

from nanocl.cli import progress
from nanocl.cli.progress import Display, StudyDisplay
from nanocl.records import Notice, Progress, RunFailure


@pytest.fixture
def shown(monkeypatch):
    out = io.StringIO()
    monkeypatch.setattr(progress, "Console", lambda **_: Console(file=out, width=200))
    return out


def at(spec, fraction):
    return Progress(spec.digest, 2, 5, 1, 3, fraction, 1234.5)


def test_each_run_that_ended_is_one_line_with_its_outcome(shown):
    specs = [a_spec("sgd", seed) for seed in range(4)]
    with Display(specs, measured=2) as display:
        display.finish(a_result(specs[0]))
        display.finish(a_result(specs[1], MATRIX[:1], status="diverged"))
        display.finish(RunFailure(specs[2], "ValueError: [no] such thing"))
        display.finish(a_result(specs[3], ((0.25,) * 3,) * 3, measure="loss"))
    assert shown.getvalue().splitlines() == [
        "2 runs measured already; 4 to go",
        "[1/4] split-digits sgd seed 0: accuracy 60.0 %, 10.0 s of training",
        "[2/4] split-digits sgd seed 1: diverged in experience 2, 10.0 s",
        "[3/4] split-digits sgd seed 2: failed, ValueError: [no] such thing",
        "[4/4] split-digits sgd seed 3: loss 0.25, 10.0 s of training",
    ]


def test_what_is_no_terminal_gets_plain_lines_whatever_colours_are_forced(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as the kernels of notebooks do
    with Display([a_spec("sgd")]) as display:
        display.update(at(a_spec("sgd"), 0.5))
    assert capsys.readouterr().err == "1 run to go\n"


def test_quiet_shows_only_what_the_caller_should_know_of_a_run(shown):
    specs = [a_spec("sgd", seed) for seed in range(2)]
    with Display(specs, measured=2, quiet=True) as display:
        display.update(at(specs[0], 0.5))
        display.update(Notice(specs[0].digest, "its checkpoint is damaged"))
        for spec in specs:
            display.finish(a_result(spec))
    assert shown.getvalue() == "sgd seed 0: its checkpoint is damaged\n"


def test_the_share_done_is_the_mean_over_all_runs(shown):
    first, second = a_spec(seed=0), a_spec(seed=1)
    display = Display([first, second])
    display.update(at(first, 0.5))
    assert display.bars.tasks[0].completed == pytest.approx(0.25)
    display.finish(a_result(first))
    assert display.bars.tasks[0].completed == pytest.approx(0.5)
    assert "1/2 runs" in display.bars.tasks[0].fields["detail"]


def test_a_run_under_way_has_a_bar_until_it_ends(shown):
    spec = a_spec("ewc+adam", 3)
    display = Display([spec])
    display.update(at(spec, 0.1))
    display.update(at(spec, 0.2))
    (bar,) = display.bars.tasks[1:]
    assert bar.description.strip() == "ewc+adam seed 3" and bar.completed == 0.2
    assert "experience 2/5" in bar.fields["detail"] and "epoch 1/3" in bar.fields["detail"]
    display.finish(a_result(spec))
    assert len(display.bars.tasks) == 1


def test_a_long_run_says_where_it_is_now_and_then(shown, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    spec = a_spec()
    display = Display([spec])
    for now[0] in (1.0, progress.SILENCE + 1, progress.SILENCE + 2):
        display.update(at(spec, 0.5))
    lines = shown.getvalue().splitlines()
    assert lines[0] == "1 run to go" and len(lines) == 2
    assert lines[1].startswith("[0/1] 50 % done, about 31 s left; sgd seed 0: experience 2/5")


def test_a_study_says_where_it_is_at_its_start_and_now_and_then(shown, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    display = StudyDisplay("a study")
    for now[0], share in ((100.0, 0.0), (110.0, 0.1), (200.0, 0.5)):
        display.update(share, "seed 3")
    first, second = shown.getvalue().splitlines()
    assert (first, second) == (
        "a study: 0 % done, seed 3",
        "a study: 50 % done, seed 3, about 100 s left",
    )


def test_off_a_terminal_a_line_tells_where_the_runs_are_after_a_silence(monkeypatch, capsys):
    spec = a_spec("adamw", 3)
    monkeypatch.setattr(progress, "SILENCE", -1.0)
    with progress.Display([spec]) as display:
        display.update(Progress(spec.digest, 2, 5, 1, 1, 0.25, 1234.0))
    with progress.StudyDisplay("study x") as display:
        display.update(0.5, "a setting")
    said = capsys.readouterr().err.splitlines()
    assert (
        said[0] == "1 run to go"
        and said[1].startswith("[0/1] 25 % done, about ")
        and "adamw seed 3" in said[1]
    )
    assert said[2].startswith("study x: 50 % done, a setting, about ")
