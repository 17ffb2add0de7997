import pytest

from nanocl.cli import reports
from nanocl.records import UserError


def parsed(*argv):
    arguments = reports.parser().parse_intermixed_args(argv)
    reports.check(arguments)
    return arguments


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["--check", "--format", "latex"],
        ["release", "b", "--notes", "n", "--date", "2026-02-28", "--url", "https://example.org"],
        ["verify", "all", "--identity", "f" * 64],
        ["check", "a.json", "b.json", "--rerun"],
        ["export", "b", "--format", "eee", "--output", "x"],
        ["import", "m.csv", "--name", "n", "--measure", "loss"],
        ["compare", "b:x", "b:y"],
        ["merge", "one", "two"],
        ["cite"],
        ["cite", "b", "--plugin", "mine.py"],
    ],
)
def test_every_command_takes_its_options(argv):
    parsed(*argv)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["release"], "release takes 1 name, got 0: release BOARD"),
        (["release", "a", "b"], "got 2"),
        (["compare", "a"], "compare takes 2 names, got 1"),
        (["verify"], "verify takes at least 1 names"),
        (["verify", "all", "--notes", "n"], "--notes is an option of release, not of verify"),
        (["verify", "all", "--plugin", "m.py"], "--plugin is an option of cite, not of verify"),
        (["--rerun"], "--rerun is an option of check, not of this call"),
        (["cite", "--format", "csv"], "--format is an option of"),
        (["export", "b", "--format", "latex"], "must be one of csv, parquet, eee, peft"),
        (["--format", "eee"], "must be one of text, markdown, csv, latex"),
        (["release", "b", "--date", "today"], "a day as YYYY-MM-DD, got 'today'"),
        (["release", "b", "--date", "2026-02-30"], "got '2026-02-30'"),
        (["release", "b", "--date", "20260228"], "got '20260228'"),
        (["release", "b", "--url", "https://e.org/a}, note = {b"], "--url must be an address"),
        (["release", "b", "--url", "example"], "--url must be an address"),
        (["migrate", "now"], "migrate takes 0 names"),
        (["verify", "all", "--identity", "f00d"], "64 hex digits"),
    ],
)
def test_an_option_or_name_that_a_command_does_not_take_is_refused(argv, words):
    with pytest.raises(UserError, match=words):
        parsed(*argv)


def test_an_example_of_the_help_is_understood():
    lines = [line.split("   ")[0] for line in reports.EPILOG.splitlines()]
    calls = [line.split()[3:] for line in lines if line.strip().startswith("python -m")]
    assert len(calls) > 12
    for argv in calls:
        words = [word.strip('"') for word in argv if word not in (">", "tables.tex", 'seeds"')]
        parsed(*words)
