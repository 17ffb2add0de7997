import re
import shutil
import stat

import made_boards
import pytest

from nanocl.boards import names, parquet, reading, releasing
from nanocl.boards.released import versions
from nanocl.records import UserError, store

FILES = {
    "manifest.json",
    "release.json",
    "tuning.json",
    "records.jsonl.xz",
    "table.md",
    "table.csv",
    "table.tex",
    "CHANGELOG.md",
    "CITATION.cff",
    ".zenodo.json",
    "croissant.json",
}


@pytest.fixture
def root(small_root):
    return small_root


def contents(version):
    return {path.name: path.read_bytes() for path in version.folder.iterdir()}


def test_a_version_has_all_its_files_and_no_temporary_one_is_left(version):
    assert set(contents(version)) - {parquet.FILE} == FILES
    assert [path.name for path in version.folder.parent.iterdir()] == ["v1.0"]


def test_the_same_records_give_the_same_bytes(root, tmp_path):
    again = shutil.copytree(root, tmp_path / "again")
    one, other = (contents(made_boards.released(folder)) for folder in (root, again))
    assert one == other


def test_an_unchanged_board_makes_no_new_version(root):
    first = releasing.release(made_boards.NAME, root)
    second = releasing.release(made_boards.NAME, root, notes="again", date="2026-01-01")
    assert first.is_new and not second.is_new
    assert (second.released, second.identity) == (first.released, first.identity)
    assert len(versions(made_boards.NAME, root)) == 1


def test_a_new_record_makes_a_minor_version_and_the_old_one_keeps_every_byte(root, lwf):
    first = made_boards.released(root)
    before = contents(first)
    store.save(lwf, root)
    second = made_boards.released(root, notes="lwf joins")
    assert [str(one.version) for one in versions(made_boards.NAME, root)] == ["1.0", "1.1"]
    assert contents(first) == before
    page = (second.folder / "CHANGELOG.md").read_text()
    assert "learners added: lwf" in page and "lwf joins" in page


def test_a_changed_protocol_makes_a_major_version_that_names_the_key(root):
    made_boards.released(root)
    shutil.rmtree(root / "runs")
    made_boards.fill(root, seeds=range(1), epochs=5)
    second = made_boards.released(root)
    assert str(second.version) == "2.0"
    assert "protocol training.epochs: 1 -> 5" in (second.folder / "CHANGELOG.md").read_text()


def test_date_and_url_are_in_the_citation_and_no_part_of_the_identity(root, tmp_path):
    again = shutil.copytree(root, tmp_path / "again")
    one = releasing.release(made_boards.NAME, root, date="2026-11-27", url="https://example.org/b")
    other = releasing.release(made_boards.NAME, again)
    assert one.identity == other.identity
    dated = (one.released.folder / "CITATION.cff").read_text()
    assert 'date-released: "2026-11-27"' in dated and 'url: "https://example.org/b"' in dated
    assert "date-released" not in (other.released.folder / "CITATION.cff").read_text()


def test_a_damaged_newest_version_is_refused(version):
    path = version.folder / "manifest.json"
    path.write_text(path.read_text().replace("0.95", "0.96"))
    with pytest.raises(UserError, match=r"@v1\.0 is damaged"):
        made_boards.released(version.folder.parents[2])


@pytest.mark.parametrize("values", ["[]", "{}", '{"identity": 1, "date": "", "url": ""}'])
def test_a_damaged_release_file_is_an_error(version, values):
    (version.folder / "release.json").write_text(values)
    with pytest.raises(ValueError, match=re.escape("release.json")):
        reading.written_publication(version)


def test_a_place_that_cannot_be_written_is_one_line_and_leaves_nothing(root):
    (root / "boards").write_text("a file is in the way")
    with pytest.raises(UserError, match=r"cannot write .*choose a writable folder with --results"):
        made_boards.released(root)
    assert stat.S_ISREG((root / "boards").stat().st_mode)


def test_two_calls_at_once_do_not_mix_their_files(root, monkeypatch):
    rows = names.rows_of(made_boards.NAME, root)
    first = made_boards.released(root)
    before = contents(first)
    with pytest.raises(UserError, match=r"another call made split-digits-cpu-class@v1\.0"):
        releasing._write(first, {"table.csv": "of another call\n"}, rows, root)
    assert contents(first) == before and len([*first.folder.parent.iterdir()]) == 1
