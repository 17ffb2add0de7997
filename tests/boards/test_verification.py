"""`verify` must fail on every way in which a version can differ from its records."""

import json
from pathlib import Path

import made_boards
import pytest
from making import a_result, a_spec, shifted

from nanocl import report
from nanocl.boards import archive, citing, contents, manifest, parquet, reading, verification
from nanocl.boards.released import boards, find
from nanocl.records import store
from nanocl.reporting import leaderboard

RESULTS = Path(__file__).resolve().parents[2] / "results"


@pytest.fixture
def root(version):
    return version.folder.parents[2]


def differences(version, root, **values):
    return verification.verify(version, root, **values).differences


def test_what_was_just_released_verifies(version, root):
    assert verification.verify(version, root) == verification.Verdict((), ())


def test_one_changed_digit_in_a_record_is_found(version, root):
    path = made_boards.record(root)
    path.write_text(path.read_text().replace("0.65", "0.66", 1))
    (line,) = differences(version, root)
    assert str(path) in line and "checksum" in line and "expected" in line


def test_a_removed_record_is_found(version, root):
    path = made_boards.record(root)
    path.unlink()
    (line,) = differences(version, root)
    assert f"{path} is missing, expected checksum" in line


def test_other_numbers_under_the_same_digest_are_found_though_their_checksum_is_right(
    version, root
):
    path = made_boards.record(root)
    values = json.loads(path.read_text())["evaluation"]
    values[-1][0] += 0.01
    made_boards.change(path, evaluation=values)
    (line,) = differences(version, root)
    assert f"{path} was measured again: it differs in evaluation" in line
    assert archive.FILE in line


def test_a_second_record_of_the_same_run_is_found_wherever_it_lies(version, root):
    path = made_boards.record(root)
    other = path.parent.parent / "sgd" / "copy.json"
    other.write_bytes(path.read_bytes())
    made_boards.change(other, initial=[0.5, 0.5, 0.5])
    (line,) = differences(version, root)
    assert f"{other} is another record of the run of {path}" in line


@pytest.mark.parametrize(
    "name", ["table.md", "table.tex", "table.csv", "CHANGELOG.md", "CITATION.cff", "croissant.json"]
)
def test_a_hand_edited_file_is_found_with_its_line(version, root, name):
    path = version.folder / name
    lines = path.read_text().splitlines(keepends=True)
    lines[5 % len(lines)] = lines[5 % len(lines)].rstrip("\n") + "x\n"
    path.write_text("".join(lines))
    (line,) = differences(version, root)
    assert line.startswith(f"{name}: line {1 + 5 % len(lines)} has") and "expected" in line


@pytest.mark.parametrize("name", ["table.md", "tuning.json", ".zenodo.json", archive.FILE])
def test_a_removed_file_is_found(version, root, name):
    (version.folder / name).unlink()
    assert any(line.startswith(f"{name}: ") for line in differences(version, root))


def test_line_ends_of_windows_are_named_and_git_does_not_make_them(version, root):
    path = version.folder / "table.csv"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    (line,) = differences(version, root)
    assert line.startswith("table.csv: its lines end with")
    assert "results/** -text" in (RESULTS.parent / ".gitattributes").read_text().splitlines()


def test_a_file_that_is_no_part_of_a_version_is_found(version, root):
    (version.folder / "more.md").write_text("see also")
    assert differences(version, root) == ("more.md: no file of a version",)


def test_a_wrong_identity_is_found(version, root):
    path = version.folder / reading.RELEASE
    right = json.loads(path.read_text())["identity"]
    path.write_text(path.read_text().replace(right, "0" * 64))
    lines = differences(version, root)
    assert f"release.json: identity {'0' * 64}, expected {right}" in lines


def test_a_manifest_that_is_written_otherwise_is_found(version, root):
    path = version.folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text())))
    assert any(line.startswith("manifest.json: line 1") for line in differences(version, root))


def test_another_version_than_the_cited_one_is_found(version, root):
    identity = manifest.identity_of(version.manifest())
    assert differences(version, root, identity=identity) == ()
    (line,) = differences(version, root, identity="f" * 64)
    assert f"sha256 {identity}, expected {'f' * 64} as cited" in line


def test_later_records_do_not_touch_a_version(version, root, lwf):
    store.save(lwf, root)
    store.save(a_result(a_spec("sgd", 9), shifted(-0.05)), root)
    assert differences(version, root) == ()


def test_an_older_version_verifies_after_its_records_were_measured_again(version, root):
    for learner in made_boards.LEARNERS:
        store.save(a_result(a_spec(learner, 0), shifted(-0.07)), root)
    assert len(differences(version, root)) == 3
    newer = made_boards.released(root)
    assert str(newer.version) == "1.1"
    verdict = verification.verify(version, root)
    assert (
        verdict.differences == () and "3 of its records are no longer in runs/" in verdict.notes[0]
    )
    assert differences(newer, root) == ()


def test_an_edited_older_version_breaks_the_chain_of_the_newer_one(version, root, lwf):
    store.save(lwf, root)
    newer = made_boards.released(root)
    made_boards.edit(version, notes="the best board")
    assert any("previous has sha256" in line for line in differences(newer, root))


def test_a_version_in_the_folder_of_another_board_is_found(version, root):
    folder = root / "boards" / "split-mnist-cpu-task"
    version.folder.parent.rename(folder)
    (moved,) = find("split-mnist-cpu-task", root)
    assert differences(moved, root) == (
        "manifest.json: it is of the board 'split-digits-cpu-class'",
    )


def test_a_parquet_file_with_other_rows_is_found(version, root, monkeypatch):
    (version.folder / parquet.FILE).write_bytes(b"PAR1")
    monkeypatch.setattr(parquet, "is_installed", lambda: True)
    monkeypatch.setattr(parquet, "is_table", lambda path, text: path.read_bytes() == b"PAR1")
    assert differences(version, root) == ()
    (version.folder / parquet.FILE).write_bytes(b"PAR2")
    assert differences(version, root) == ("table.parquet: its rows are not those of table.csv",)
    monkeypatch.setattr(parquet, "is_installed", lambda: False)
    assert "was not compared" in verification.verify(version, root).notes[0]


def test_a_version_alone_is_verified_from_its_own_records(version, tmp_path, root):
    alone = tmp_path / "download"
    (alone / "boards").mkdir(parents=True)
    (root / "boards" / version.name).rename(alone / "boards" / version.name)
    (there,) = find("all", alone)
    verdict = verification.verify(there, alone)
    assert verdict.differences == () and "records.jsonl.xz alone" in verdict.notes[0]
    made_boards.repack(there, made_boards.other_numbers)
    assert differences(there, alone)


def a_later_version(monkeypatch):
    monkeypatch.setattr(verification, "__version__", "9.9")
    monkeypatch.setattr(manifest, "__version__", "9.9")


def a_later_layout(monkeypatch):
    """Another sentence in the pages, another key in the manifest, other metadata."""
    monkeypatch.setattr(contents, "LAYOUT", 9)
    monkeypatch.setattr(leaderboard, "RULE", "Best first.\n")
    made = contents.board_statistics
    monkeypatch.setattr(contents, "board_statistics", lambda rows: made(rows) | {"new": 1})
    monkeypatch.setattr(citing, "KEYWORDS", ("boards",))


@pytest.mark.parametrize("later", [a_later_version, a_later_layout])
def test_a_later_nanocl_verifies_numbers_and_hashes(version, root, monkeypatch, later):
    later(monkeypatch)
    verdict = verification.verify(version, root)
    assert (
        verdict.differences == () and "every number of table.csv was recomputed" in verdict.notes[0]
    )
    places = (("table.csv", "expected"), ("table.md", "sha256"), ("CITATION.cff", "identity"))
    for name, words in places:
        path = version.folder / name
        content = path.read_text()
        given = version.manifest()
        digit = manifest.identity_of(given) if name == "CITATION.cff" else "9"
        path.write_text(content.replace(digit, "8", 1))
        assert any(words in line and name in line for line in differences(version, root))
        path.write_text(content)
    # a table that was edited together with its hash
    path = version.folder / "table.csv"
    path.write_text(content := path.read_text().replace("0.7", "0.8", 1))
    tables = {**version.manifest()["tables"], "table.csv": manifest.sha256(content.encode())}
    made_boards.edit(version, tables=tables)
    lines = differences(version, root)
    assert any("table.csv: the records do not give the line" in line for line in lines)


@pytest.mark.skipif(not boards(RESULTS), reason="no board was released yet")
def test_every_committed_version_verifies(capsys):
    code = report.main(["verify", "all", "--results", str(RESULTS)])
    assert code == 0, f"{capsys.readouterr().err}changed how pages look? see contents.LAYOUT"
