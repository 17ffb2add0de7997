"""A call for a whole study takes the options that the study has, and no others."""

import pytest

from nanocl.cli.commandline import call
from nanocl.records import UserError
from nanocl.studies import command


class Never:
    """A study that must not be asked for anything."""


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["--set", "training.epochs=1"], "--set"),
        (["--model", "mlp"], "--model"),
        (["--scenario", "task"], "--scenario"),
        (["--shard", "1/2"], "--shard"),
        (["--engine", "ray"], "--engine ray"),
        (["--log", "csv"], "--log"),
    ],
)
def test_an_option_that_a_study_does_not_take_is_refused(arguments, option):
    asked = call(["--stream", "teacher-student", *arguments])
    with pytest.raises(UserError, match=f"the study of teacher-student takes no {option};"):
        command.run(Never(), asked)


def test_a_dry_run_lists_the_parts_and_names_damaged_records(tmp_path, capsys):
    class Listed(Never):
        def damaged(self, results_root, *, tier, seeds):
            return [results_root / "broken.json"]

        def listing(self, results_root, *, tier, seeds):
            return [("0123", "one part", True), ("4567", "another", False)]

    asked = call(["--stream", "made", "--dry-run", "--results", str(tmp_path)])
    assert command.run(Listed(), asked) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [
        "measured  0123  one part",
        "to run    4567  another",
        "2 parts of the study, 1 measured",
    ]
    assert "ignoring damaged record" in shown.err and "broken.json" in shown.err
