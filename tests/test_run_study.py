"""`python -m nanocl.run` of a protocol that has a study."""

import pytest
from commands import command

from nanocl import run


def test_the_study_runs_without_a_strategy_and_a_later_call_goes_on_from_its_records(
    tmp_path, monkeypatch, capsys
):
    words = ("--stream", "teacher-student", "--tier", "smoke", "--workers", "1")
    shown = command(*words, cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    for word in (
        "L_B",
        "nano-neuron",
        "Fig. 7",
        "Table 8",
        "Theorem 2.2",
        "neurons-one-new.png",
        "README.md",
    ):
        assert word in shown.stdout
    assert "study teacher-student: " in shown.stderr
    monkeypatch.chdir(tmp_path)
    assert run.main([*words, "--dry-run"]) == 0
    assert "3 parts of the study, 3 measured" in capsys.readouterr().out
    record = next((tmp_path / "results").rglob("the-paper*.json"))
    record.write_text("{")
    assert run.main([*words, "--dry-run"]) == 0
    said = capsys.readouterr()
    assert (
        said.out.count("to run") == 1 and f"{record.relative_to(tmp_path)}; re-running" in said.err
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--set", "stream.samples=3"), "takes no --set"),
        (("--model", "mlp"), "takes no --model"),
        (("--evaluate", "all"), "takes no --evaluate"),
        (("--track-every", "5"), "takes no --track-every"),
        (("--set", "probe.magnitude=true"), "takes no --set probe.magnitude=true"),
        (("--tier", "large"), "tier must be one of"),
        (("--workers", "-1"), "--workers must be at least 1"),
    ],
)
def test_what_a_study_cannot_take_is_refused(arguments, words, capsys):
    assert run.main(["--stream", "teacher-student", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_with_a_strategy_the_same_stream_takes_the_ordinary_path(capsys):
    assert (
        run.main(
            ["--stream", "teacher-student", "--strategy", "sgd", "--tier", "smoke", "--dry-run"]
        )
        == 0
    )
    assert "sgd seed 0" in capsys.readouterr().out
