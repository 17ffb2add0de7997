import subprocess
import sys
import time
from pathlib import Path

import pytest
from making import MATRIX, a_result, a_spec, shifted

from nanocl import report
from nanocl.records import store

RESULTS = Path(__file__).resolve().parents[1] / "results"


@pytest.fixture
def root(tmp_path):
    for strategy in ("sgd", "adam", "joint"):
        for seed in range(3):
            store.save(a_result(a_spec(strategy, seed), shifted(seed / 50)), tmp_path)
    store.save(a_result(a_spec("sgd", scenario="task"), MATRIX), tmp_path)
    return tmp_path


def call(*argv, root):
    return report.main([*argv, "--results", str(root)])


def generated(root):
    return {
        path.name: path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.suffix != ".json"
    }


def test_it_writes_the_board_and_three_files_for_each_protocol_and_shows_the_tables(root, capsys):
    assert call(root=root) == 0
    shown = capsys.readouterr()
    names = sorted(generated(root))
    assert names[0] == "LEADERBOARD.md" and len(names) == 1 + 2 * 3
    assert [name.rpartition(".")[2] for name in names[1:]] == ["csv", "md", "tex"] * 2
    assert all(
        f"wrote {path}" in shown.err
        for path in (root / "LEADERBOARD.md", root / "tables" / names[1])
    )
    for title in ("Accuracy and forgetting", "Parameter drift", "Cost"):
        assert shown.out.count(title) == 2


def test_a_second_call_changes_no_byte_and_the_check_passes(root, capsys):
    call(root=root)
    before = generated(root)
    assert call("--check", root=root) == 0
    assert call(root=root) == 0
    assert generated(root) == before
    assert "7 files" in capsys.readouterr().err


def test_the_check_writes_nothing_and_names_what_is_missing_changed_or_stale(root, capsys):
    assert call("--check", root=root) == 1
    assert generated(root) == {} and "LEADERBOARD.md is missing" in capsys.readouterr().err
    call(root=root)
    (root / "LEADERBOARD.md").write_text("edited by hand")
    (root / "tables" / "old-cpu-class-0123abcd.md").write_text("of records that are gone")
    (root / "tables" / "README.md").write_text("somebody's own file")
    capsys.readouterr()
    assert call("--check", root=root) == 1
    said = capsys.readouterr().err
    assert "LEADERBOARD.md is changed" in said and "old-cpu-class-0123abcd.md is stale" in said
    assert call(root=root) == 0 and call("--check", root=root) == 0
    assert (root / "tables" / "README.md").exists() and not (
        root / "tables" / "old-cpu-class-0123abcd.md"
    ).exists()


def test_a_corrupted_record_is_named_and_skipped_and_fails_the_check(root, capsys):
    path = next((root / "runs").glob("split-digits/adam/s1-*.json"))
    path.write_text(path.read_text()[:-200])
    assert call(root=root) == 0
    shown = capsys.readouterr()
    assert f"skipped {path}: it is no JSON" in shown.err and "Accuracy" in shown.out
    assert call("--check", root=root) == 1
    assert str(path) in capsys.readouterr().err


def test_the_committed_pages_are_what_the_committed_records_say(capsys):
    code = call("--check", root=RESULTS)
    assert code == 0, capsys.readouterr().err


@pytest.mark.parametrize(
    ("format", "mark"),
    [("markdown", "|:---"), ("latex", r"\begin{tabular}"), ("csv", "protocol,benchmark")],
)
def test_the_tables_can_be_shown_in_each_format(root, capsys, format, mark):
    assert call("--format", format, root=root) == 0
    assert mark in capsys.readouterr().out


def test_an_empty_or_absent_results_folder_is_said_and_is_no_error(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert report.main([]) == 0
    assert "python -m nanocl.run makes some" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert report.main(["--check"]) == 0


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--results", "/no/such/folder"], "'/no/such/folder' does not exist"),
        (["--format", "pdf"], "invalid choice: 'pdf'"),
        (["recite"], "invalid choice: 'recite'"),
        (["--chek"], "--chek"),
        (["cite", "forgeting"], "did you mean 'forgetting'"),
        (["cite"], "no records in"),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_code_2(argv, words, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        code = report.main(argv)
    except SystemExit as end:
        code = end.code
    said = capsys.readouterr().err
    assert code == 2 and words in said and said.count("\n") == 1


def test_a_folder_that_cannot_be_written_is_one_line_and_exit_code_2(root, capsys):
    (root / "tables").write_text("a file is in the way")
    assert call(root=root) == 2
    assert "cannot write" in capsys.readouterr().err


def test_cite_prints_bibtex_and_writes_nothing(root, capsys):
    assert call("cite", root=root) == 0
    assert capsys.readouterr().out.startswith("@misc{nanocl-")
    assert report.main(["cite", "--results", str(root), "forgetting", "mnist"]) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if line[:1] == "@"] == [
        "@inproceedings{chaudhry2018,",
        "@article{lecun1998,",
    ]
    assert generated(root) == {}


def test_the_whole_door_works_without_torch_and_the_help_answers_at_once(root):
    code = (
        "import sys; from nanocl import report; code = report.main(sys.argv[1:]); "
        "bad = {'torch', 'avalanche', 'torchvision'} & set(sys.modules); sys.exit(code or len(bad))"
    )
    subprocess.run(
        [sys.executable, "-c", code, "--results", str(root)], check=True, capture_output=True
    )
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "nanocl.report", "--help"], check=True, capture_output=True
    )
    assert time.perf_counter() - start < 1.5  # 0.1 s on an idle machine
    heavy = "import sys, nanocl.report; print({'numpy', 'scipy', 'pandas', 'jsonschema'} & set(sys.modules))"
    assert (
        subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True).stdout.strip()
        == "set()"
    )
