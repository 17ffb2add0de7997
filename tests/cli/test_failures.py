"""A command that fails says why in one line."""

import io

from nanocl.cli import failures
from nanocl.records import UserError


def test_a_mistake_and_an_error_of_the_system_are_one_line_each_and_code_2(capsys):
    assert failures.exit_code(UserError("no stream \x1b[31mred")) == 2
    assert failures.exit_code(FileNotFoundError(2, "No such file", "a-file")) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("nanocl: no stream ") and "\x1b" not in first
    assert second.startswith("nanocl: ") and "a-file" in second and "No such file" in second


def test_a_reader_that_has_ended_is_no_failure(monkeypatch):
    errors = io.StringIO()
    monkeypatch.setattr("sys.stderr", errors)
    assert failures.exit_code(BrokenPipeError()) == 0
    assert errors.closed  # Python would complain there that it cannot flush
