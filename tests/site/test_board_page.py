"""The page of a board has its rows, intervals, versions, downloads and citation."""

import lzma

import made_boards
import pytest

from nanocl.reporting import statistics
from nanocl.site import board_page


def page(built, boards):
    return (built / boards[0].folder / "index.html").read_text(encoding="utf-8")


def test_every_learner_is_a_row_that_links_to_its_page(built, boards):
    text = page(built, boards)
    for slug, place in boards[0].places():
        assert f'<a href="{slug}.html">{place.row.strategy}</a>' in text


def test_the_downloads_are_the_files_of_the_version(built, boards):
    (board,) = boards
    for name in board_page.DOWNLOADS:
        assert (built / board.folder / name).read_bytes() == (
            board.source.folder / name
        ).read_bytes()
    lines = lzma.decompress((built / board.folder / "records.jsonl.xz").read_bytes()).splitlines()
    assert len(lines) == sum(len(row.results) for row in board.rows)
    assert f"@misc{{{made_boards.NAME}" in page(built, boards).replace("&#34;", '"')


def test_an_interval_is_drawn_where_its_numbers_are(boards):
    (board,) = boards
    drawn, scale = board_page._intervals(board)
    low, high = map(float, scale.split(" to "))
    for place, (left, middle, right) in zip(board.ranking.places, drawn, strict=True):
        scores = [100 * value for value in place.row.columns["average_accuracy"]]
        ends = statistics.interval(scores)
        for at, value in ((left, ends[0]), (middle, sum(scores) / len(scores)), (right, ends[1])):
            assert low + at / 100 * (high - low) == pytest.approx(value, abs=0.02)


def test_the_chooser_knows_the_compared_places_best_first(boards):
    (board,) = boards
    choices = list(board_page.choices(board))
    assert [choice["learner"] for choice in choices] == ["adamw", "adam", "sgd"]
    assert {choice["state"] for choice in choices} == {"8"}
    assert choices[0]["band"] != choices[-1]["band"]
