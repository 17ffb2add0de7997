import made_boards
import pytest

from nanocl.boards import released
from nanocl.boards.released import Version
from nanocl.records import UserError


@pytest.fixture
def three(tmp_path):
    for version in ("v1.2", "v1.10", "v2.0", "notes", "v3"):
        (tmp_path / "boards" / made_boards.NAME / version).mkdir(parents=True)
    return tmp_path


def test_versions_are_ordered_as_numbers_and_other_folders_are_none(three):
    versions = [one.version for one in released.versions(made_boards.NAME, three)]
    assert versions == [Version(1, 2), Version(1, 10), Version(2, 0)]


def test_a_name_stands_for_all_versions_and_a_version_for_itself(three):
    assert len(released.find("split-digits", three)) == len(released.find("all", three)) == 3
    for text in ("split-digits@v1.10", f"{made_boards.NAME}@1.10"):
        assert str(released.latest(text, three)) == f"{made_boards.NAME}@v1.10"
    assert released.latest("split-digits", three).version == Version(2, 0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("split-digit", "did you mean 'split-digits-cpu-class'"),
        ("split-digits@v1.3", "no version 'v1.3'; did you mean"),
        ("split-digits@../..", "has no version"),
    ],
)
def test_an_unknown_board_or_version_is_answered_by_the_nearest(three, text, words):
    with pytest.raises(UserError, match=words):
        released.find(text, three)


@pytest.mark.parametrize("text", ["all", "split-mnist"])
def test_without_any_release_the_error_says_so(tmp_path, text):
    with pytest.raises(UserError, match="no board was released"):
        released.find(text, tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": "nanocl-board/9"}', None])
def test_a_damaged_manifest_is_one_line(three, content):
    one = released.latest("split-digits", three)
    if content is not None:
        (one.folder / "manifest.json").write_text(content)
    with pytest.raises(UserError, match=r"@v2\.0: .*manifest\.json"):
        one.manifest()


def test_the_rows_of_a_version_are_its_own_and_without_one_those_of_the_records(version):
    root = version.folder.parents[2]
    made_boards.record(root, "sgd", 0).unlink()
    counts = [
        [len(row.results) for row in released.rows_of(text, root)]
        for text in (made_boards.NAME, f"{made_boards.NAME}@v1.0")
    ]
    assert counts == [[2, 2, 1], [2, 2, 2]]
    (version.folder / "records.jsonl.xz").write_bytes(b"no archive")
    with pytest.raises(UserError, match=r"@v1\.0 is damaged: .*verify .*@v1\.0 says more"):
        released.rows_of(f"{made_boards.NAME}@v1.0", root)
