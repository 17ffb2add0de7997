"""`nanocl COMMAND` is `python -m nanocl.COMMAND`."""

import subprocess
import sys

import pytest

from nanocl import __main__, __version__


@pytest.mark.parametrize("command", sorted(__main__.COMMANDS))
def test_each_command_is_the_module_of_its_name(command, capsys):
    with pytest.raises(SystemExit) as end:
        __main__.main([command, "--help"])
    assert end.value.code == 0 and f"nanocl.{command}" in capsys.readouterr().out


def test_arguments_are_passed_on(tmp_path, capsys):
    asked = ["--dry-run", "--tier", "smoke", "--results", str(tmp_path)]
    assert __main__.main(["run", *asked]) == 0
    assert "runs, 0 measured" in capsys.readouterr().out


def test_an_unknown_command_is_answered_by_the_nearest(capsys):
    assert __main__.main(["raport"]) == 2
    assert "no command 'raport'; did you mean 'report'" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["--help"], ["--version"]])
def test_help_and_version_load_no_torch(words, capsys):
    assert __main__.main(words) == 0
    assert (__version__ if "--version" in words else "usage: nanocl") in capsys.readouterr().out


def test_the_installed_command_ends_with_the_exit_code():
    shown = subprocess.run(
        [sys.executable, "-m", "nanocl", "report", "verify", "no-board", "--results", "nowhere"],
        capture_output=True,
        text=True,
    )
    assert shown.returncode == 2 and "nowhere" in shown.stderr
