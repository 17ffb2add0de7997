"""A mistake on the command line is one line that says what would be right."""

import pytest

from nanocl import memory, tune
from nanocl.cli import commandline, reports

PARSERS = [commandline.parser, reports.parser, tune.parser, memory.parser]


@pytest.mark.parametrize("parser", PARSERS)
def test_a_mistake_is_one_line_that_names_the_command_with_the_help(parser, capsys):
    with pytest.raises(SystemExit) as stopped:
        parser().parse_args(["--no-such-option-at-all"])
    (line,) = capsys.readouterr().err.splitlines()
    assert stopped.value.code == 2
    assert line == (
        f"nanocl: unrecognized arguments: --no-such-option-at-all; see {parser().prog} --help"
    )


@pytest.mark.parametrize(
    ("words", "end"),
    [
        (["--strategi", "adamw"], "--strategi adamw; did you mean --strategy?"),
        (["--data_root=d"], "--data_root=d; did you mean --data-root?"),
        ([""], "unrecognized arguments: "),
        (["--engine", "rey"], "invalid choice: 'rey' (choose from 'local', 'ray')"),
    ],
)
def test_the_nearest_option_or_the_choices_are_named(words, end, capsys):
    with pytest.raises(SystemExit):
        commandline.parser().parse_args(words)
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{end}; see python -m nanocl.run --help" in line
