"""`BOARDS.md`: the released versions, as their manifests say."""

import made_boards
import pytest

from nanocl import report
from nanocl.boards import listing, manifest


def rows(root):
    (page,) = listing.pages((), root).values()
    lines = [line for line in page.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_each_version_is_listed_with_its_identity(version):
    root = version.folder.parents[2]
    ((link, score, learners, seeds, *_, identity),) = rows(root)
    assert made_boards.NAME in link and (root / link.split("](")[1][:-1]).is_file()
    assert (score, learners, seeds) == ("average_accuracy", "3", "2")
    assert identity.strip("`") == manifest.identity_of(version.manifest())[:12]


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": "nanocl-board/1"}'])
def test_a_damaged_version_is_listed_as_damaged(version, content):
    (version.folder / "manifest.json").write_text(content)
    ((link, *_, said),) = rows(version.folder.parents[2])
    assert f"{made_boards.NAME}/v1.0" in link and said == "damaged: verify says how"


def test_the_report_writes_the_page_links_it_and_removes_it_with_the_boards(version):
    root = version.folder.parents[2]
    assert report.main(["--results", str(root)]) == 0
    assert "(BOARDS.md)" in (root / "LEADERBOARD.md").read_text()
    version.folder.rename(root / "elsewhere")
    assert report.main(["--results", str(root)]) == 0
    assert not (root / "BOARDS.md").exists()


def test_without_released_boards_there_is_no_page(tmp_path):
    assert listing.pages((), tmp_path) == {}
