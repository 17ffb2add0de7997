import made_boards
import pytest

from nanocl.boards import released
from nanocl.boards.released import Version
from nanocl.records import UserError


@pytest.fixture
def three(tmp_path):
    for version in ("v1.2", "v1.10", "v2.0", "notes", "v3"):
        folder = tmp_path / "boards" / made_boards.NAME / version
        folder.mkdir(parents=True)
        (folder / "table.md").touch()
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


def test_an_empty_folder_is_no_version(three):
    (three / "boards" / made_boards.NAME / "v3.0").mkdir()
    assert str(released.latest("split-digits", three).version) == "2.0"
