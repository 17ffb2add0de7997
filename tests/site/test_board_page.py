"""The page of a board has its rows, intervals, versions, downloads and citation."""

import csv
import lzma
import re
from pathlib import Path

import made_boards
import pytest

from nanocl.boards import reading, released
from nanocl.records import store
from nanocl.reporting import statistics
from nanocl.reporting.summaries import summarise
from nanocl.site import board, board_page, building, learner_page

COMMITTED = Path(__file__).parents[2] / "results"


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


def test_the_chooser_says_which_scores_are_not_tested(tmp_path, boards):
    folder = made_boards.fill(tmp_path, seeds=range(3))
    few = board.Board("few", board.NOW, summarise(store.load_all(folder)[0]))
    assert all(choice["score"].endswith("(not tested)") for choice in board_page.choices(few))
    assert not any("not tested" in choice["score"] for choice in board_page.choices(boards[0]))


def test_versions_stand_side_by_side(boards):
    (first,) = boards
    second = board.Board(first.name, "v1.1", first.rows[1:], first.source)
    beside = dict(board_page._beside([second, first]))
    gone = first.label(next(p for p in first.ranking.places if p.row is first.rows[0]))
    assert beside[gone][0] == "-" and beside[gone][1] != "-" and len(beside) == len(first.rows)


def test_the_pages_of_a_committed_board_show_the_numbers_of_its_table():
    version = released.latest("split-mnist-cpu-task", COMMITTED)
    rows = summarise(reading.results_of(version))
    made = board.Board(version.name, "v1.0", rows, version)
    templates = building._templates()
    _, page = next(board_page.files_of(made, [made], templates))
    with (version.folder / "table.csv").open() as file:
        table = [row for row in csv.DictReader(file) if row["metric"] == "average_accuracy"]
    means = {float(row["mean"]) for row in table}
    assert len(made.rows) == len(table) > 8
    for mean in means:
        assert re.search(rf"<td>{100 * mean:.2f} \[", page)
    for path, text in learner_page.files_of(made, templates):
        if path.endswith("/adam.html"):
            assert "lr = 3.2e-05" in text and "held out" in text and "--scenario task" in text
            break
