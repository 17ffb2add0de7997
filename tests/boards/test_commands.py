"""The commands of boards as a user calls them: what they print, and their exit codes."""

import made_boards
import pytest
from making import a_result, a_spec

from nanocl import report
from nanocl.boards import parquet
from nanocl.records import store

NAME = made_boards.NAME


@pytest.fixture
def root(small_root):
    return small_root


@pytest.fixture
def call(capsys):
    def run(*argv, root):
        try:
            code = report.main([*argv, "--results", str(root)])
        except SystemExit as end:
            code = end.code
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return run


@pytest.fixture
def published_root(version):
    return version.folder.parents[2]


def test_release_prints_the_folder_and_the_identity_and_then_that_nothing_changed(call, root):
    code, out, err = call("release", NAME, "--notes", "first", root=root)
    first, second = out.splitlines()
    assert code == 0 and first.startswith(f"released {NAME}@v1.0 in ")
    assert second.startswith("sha256 ") and len(second) == 7 + 64
    assert "without --date the citation has no year" in err
    code, out, _ = call("release", "split-digits", root=root)
    assert code == 0 and out == f"{NAME}@v1.0 is unchanged: no new version; {second}\n"


def test_a_tuned_learner_without_a_recipe_is_named(call, root):
    store.save(a_result(a_spec("lwf", 0, options_from="tuned")), root)
    code, _, err = call("release", NAME, root=root)
    assert code == 0 and "no recipe in baselines/ fits lwf\n" in err


def test_verify_prints_the_identity_or_a_line_for_each_difference(call, published_root):
    code, out, err = call("verify", NAME, root=published_root)
    assert code == 0 and out.startswith(f"{NAME}@v1.0 verified: sha256 ")
    identity = out.split()[-1]
    assert call("verify", NAME, "--identity", identity, root=published_root)[0] == 0
    for learner in ("adam", "sgd"):
        made_boards.record(published_root, learner).unlink()
    code, out, err = call("verify", "all", root=published_root)
    assert code == 1 and out == f"{NAME}@v1.0 has 2 differences\n"
    assert err.count("is missing, expected checksum") == 2


def test_cite_prints_the_version_with_its_hash_and_everything_in_it(call, published_root):
    code, out, _ = call("cite", NAME, root=published_root)
    identity = call("verify", NAME, root=published_root)[1].split()[-1]
    assert code == 0 and out.startswith(f"@misc{{{NAME}-v1.0,")
    assert f"sha256 {identity}" in out and "year = {2026}" in out and "kingma" in out
    code, out, _ = call("cite", "forgetting", root=published_root)
    assert code == 0 and out.startswith("@inproceedings{chaudhry2018")


def test_cite_refuses_a_version_whose_manifest_was_edited(call, version, published_root):
    path = version.folder / "manifest.json"
    path.write_text(path.read_text().replace("0.95", "0.96"))
    code, _, err = call("cite", NAME, root=published_root)
    assert code == 2 and "does not have its identity" in err and err.count("\n") == 1


def test_compare_prints_a_table(call, root):
    code, out, _ = call("compare", f"{NAME}:adam", f"{NAME}:sgd", root=root)
    assert code == 0 and "2 paired" in out and "adam - sgd" in out


def test_check_prints_a_line_for_each_record_and_1_for_a_bad_one(call, root, tmp_path):
    path = made_boards.record(root)
    code, out, _ = call("check", str(path), root=root)
    assert code == 1 and out.startswith(f"{path}: protocol ") and out.endswith("0 of 1 ok\n")


@pytest.mark.parametrize(("format", "count"), [("csv", 1), ("eee", 3), ("peft", 6)])
def test_export_writes_each_format_and_says_where(call, root, tmp_path, format, count):
    code, out, _ = call("export", NAME, "--format", format, root=root)
    files = [path for path in (root / "exports" / NAME).rglob("*") if path.is_file()]
    assert code == 0 and len(files) == count and out.startswith(f"wrote {count} file")
    code, out, _ = call(
        *("export", NAME, "--format", format, "--output", str(tmp_path / "own")), root=root
    )
    assert code == 0 and (tmp_path / "own").exists()


def test_export_of_a_version_has_its_own_records(call, published_root):
    made_boards.record(published_root).unlink()
    assert call("export", f"{NAME}@v1.0", "--format", "peft", root=published_root)[0] == 0
    assert len([*(published_root / "exports" / NAME / "peft").iterdir()]) == 6


def test_parquet_without_pyarrow_is_one_line(call, root, monkeypatch):
    monkeypatch.setattr(parquet, "is_installed", lambda: False)
    code, _, err = call("export", NAME, "--format", "parquet", root=root)
    assert code == 2 and "pip install" in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["release", "split-digit"], "did you mean"),
        (["release", "split-mnist"], "unknown board 'split-mnist'"),
        (["verify", "split-digits@v7.0"], "no version 'v7.0'"),
        (["verify", "split-digit"], "no released board is called"),
        (["export", "split-digits@v9"], "no version"),
        (["import", "no.csv"], "No such file"),
        (["check", "no.json"], "'no.json' is missing"),
        (["compare", f"{NAME}:adam", f"{NAME}:nanodam"], "did you mean 'adam'"),
        (["cite", "split-digits@v9.9"], "no version"),
        (["cite", "split-digit-cpu-class"], "did you mean 'split-digits-cpu-class'"),
        (["cite", "split-digit@v1.0"], "did you mean 'split-digits-cpu-class'"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(call, published_root, argv, words):
    code, out, err = call(*argv, root=published_root)
    assert (code, out) == (2, "") and words in err and err.count("\n") == 1


def test_a_place_that_cannot_be_written_is_one_line(call, root, tmp_path):
    (root / "exports").write_text("a file is in the way")
    (root / "boards").write_text("a file is in the way")
    for argv in (["export", NAME], ["release", NAME]):
        code, _, err = call(*argv, root=root)
        assert code == 2 and "cannot write" in err and err.count("\n") == 1


def test_rerun_measures_the_cheapest_good_record_again(call, root, monkeypatch, tmp_path):
    from nanocl.boards import contributions, rerun

    results, _ = store.load_all(root)
    findings = [contributions.Finding(tmp_path / "a.json", (), run) for run in results[:2]]
    monkeypatch.setattr(contributions, "check", lambda paths, results_root: findings)
    asked = []

    def again(result):
        asked.append(result)
        return (["rerun: 1 of 9 numbers of evaluation differ"], "bit for bit")

    monkeypatch.setattr(rerun, "rerun", again)
    code, out, _ = call("check", "a.json", "--rerun", root=root)
    assert code == 1 and asked == [rerun.cheapest(results[:2])]
    assert "1 of 9 numbers of evaluation differ" in out and "compared bit for bit: differs" in out
    monkeypatch.setattr(rerun, "rerun", lambda result: ([], "bit for bit"))
    code, out, _ = call("check", "a.json", "--rerun", root=root)
    assert code == 0 and "agrees" in out
