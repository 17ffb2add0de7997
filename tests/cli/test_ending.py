"""A command that ends at once still writes everything and keeps its exit code."""

import os
import subprocess
import sys

import pytest

START = "import atexit, sys\nfrom nanocl.cli import ending\natexit.register(print, 'taken apart')\n"


def ended(command):
    code = f"{START}def command():\n    {command}\nending.run(command)"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_everything_is_written_and_nothing_is_taken_apart():
    shown = ended("print('x' * 200_000); sys.stderr.write('said'); return 3")
    assert shown.returncode == 3 and shown.stderr == "said"
    assert shown.stdout == "x" * 200_000 + "\n"


def test_an_error_ends_as_usual():
    shown = ended("raise RuntimeError('wrong')")
    assert shown.returncode == 1 and "RuntimeError: wrong" in shown.stderr
    assert shown.stdout == "taken apart\n"
    assert ended("sys.exit(4)").returncode == 4


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_ended_ends_the_command_as_python_does(unbuffered):
    ours = f"{START}def command():\n    sys.stdin.read()\n    print('x')\nending.run(command)"
    pythons = "import sys\nsys.stdin.read()\nprint('x')"
    assert code_without_reader(ours, unbuffered) == code_without_reader(pythons, unbuffered) > 0


def code_without_reader(code, unbuffered):
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    ) as call:
        call.stdout.close()
        call.stdin.close()
        return call.wait()
