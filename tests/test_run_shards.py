"""Three shards in three folders, merged, are the folder that one call fills."""

import pytest
from commands import called
from small_runs import numbers

from nanocl import report, run
from nanocl.records import store

GRID = ("--tier", "smoke", "--strategy", "adamw,sgd,nanoadam", "--seeds", "2")


def measured(root):
    results, problems = store.load_all(root)
    assert not problems
    return {result.spec.digest: numbers(result) for result in results}


def trained(*arguments):
    shown = called(*GRID, *arguments)
    assert shown.returncode == 0, shown.stderr
    return shown


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    parts = [trained("--shard", f"{i}/3", "--results", folder / f"part-{i}") for i in (1, 2, 3)]
    return folder, parts


def test_three_shards_merged_are_the_folder_of_one_call(folders, capsys):
    folder, _ = folders
    parts = [str(folder / f"part-{i}") for i in (1, 2, 3)]
    assert report.main(["merge", *parts, "--results", str(folder / "merged")]) == 0
    assert "copied 6 files" in capsys.readouterr().err
    trained("--results", folder / "whole")
    assert len(measured(folder / "whole")) == 6
    assert measured(folder / "merged") == measured(folder / "whole")
    again = trained("--results", folder / "merged")
    assert "6 of 6 runs measured, 0 of them now" in again.stdout


def test_a_shard_says_what_it_has_of_the_grid(folders):
    _, parts = folders
    assert "shard 2 of 3: 2 of 6 runs, 2 of 3 learners" in parts[1].stderr
    assert "2 of 2 runs measured, 2 of them now" in parts[1].stdout


def test_a_shard_without_runs_makes_its_folder_and_ends_well(tmp_path, capsys):
    root = tmp_path / "empty"
    arguments = ("--tier", "smoke", "--strategy", "sgd", "--seeds", "1", "--results", str(root))
    assert run.main([*arguments, "--shard", "2/2", "--dry-run"]) == 0
    assert not root.exists()
    capsys.readouterr()
    assert run.main([*arguments, "--shard", "2/2"]) == 0
    assert "shard 2 of 2: 0 of 1 runs" in capsys.readouterr().err and root.is_dir()


def test_a_study_takes_no_shard(capsys):
    assert run.main(["--stream", "teacher-student", "--shard", "1/2"]) == 2
    assert "takes no --shard" in capsys.readouterr().err


@pytest.mark.parametrize("shard", ["3/2", "0/2", "2", "x/2"])
def test_a_wrong_shard_is_one_line(capsys, shard):
    assert run.main(["--shard", shard]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "--shard takes I/N" in error and repr(shard) in error


def test_a_merge_that_refuses_a_record_says_which_and_ends_with_1(folders, capsys, tmp_path):
    folder, _ = folders
    source = tmp_path / "damaged"
    assert report.main(["merge", str(folder / "part-1"), "--results", str(source)]) == 0
    path = sorted((source / "runs").rglob("*.json"))[0]
    path.write_text(path.read_text().replace('"ok"', '"diverged"'))
    capsys.readouterr()
    assert report.main(["merge", str(source), "--results", str(tmp_path / "all")]) == 1
    error = capsys.readouterr().err
    assert str(path) in error and "1 were not copied" in error


def test_a_merge_without_folders_is_one_line(capsys, tmp_path):
    assert report.main(["merge", "--results", str(tmp_path)]) == 2
    assert "merge takes results folders" in capsys.readouterr().err
