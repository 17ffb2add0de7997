"""Every figure comes with words and with its numbers."""

import csv
import io

import pytest
from making import a_result, a_spec

from nanocl.reporting.summaries import summarise
from nanocl.site import figures, plots


def table(shown):
    return list(csv.DictReader(io.StringIO(shown.numbers())))


def test_the_numbers_of_a_matrix_are_its_means(rows):
    row = rows[0]
    matrix = next(one for one in figures.of_learner(row) if one.name == "matrix")
    numbers = table(matrix)
    assert len(numbers) == 9
    for line in numbers:
        i, j = int(line["trained"]) - 1, int(line["tested"]) - 1
        assert float(line["mean"]) == pytest.approx(plots.mean_matrix(row)[i, j], rel=1e-4)


def test_the_numbers_of_a_board_are_one_line_for_each_place(boards):
    (board,) = boards
    for shown in figures.of_board(board):
        assert [line["learner"] for line in table(shown)] == [
            board.label(place) for place in board.ranking.places
        ]
        assert shown.alternative and b"<svg" in shown.draw()


def test_a_learner_whose_runs_all_diverged_has_no_figures():
    (row,) = summarise([a_result(a_spec("sgd"), ((0.5, 0.1, 0.1),), status="diverged")])
    assert figures.of_learner(row) == []
