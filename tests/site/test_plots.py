"""What the plots of the site show is what plain loops compute from the records."""

import numpy
import pytest
from making import INITIAL, a_result, a_spec, shifted

from nanocl.reporting import statistics
from nanocl.reporting.ranking import rank
from nanocl.reporting.summaries import summarise
from nanocl.site import plots

SHIFTS = (0.0, 0.02, 0.07)


@pytest.fixture
def row():
    runs = [a_result(a_spec("sgd", seed), shifted(by)) for seed, by in enumerate(SHIFTS)]
    (made,) = summarise(runs)
    return made


def test_the_curves_are_means_over_the_experiences_so_far_and_of_the_first(row):
    matrices = [run.evaluation for run in row.results]
    for seed, matrix in enumerate(matrices):
        for i in range(3):
            so_far = 100 * sum(matrix[i][: i + 1]) / (i + 1)
            assert plots.mean_so_far(row)[seed, i] == pytest.approx(so_far)
            assert plots.first_task(row)[seed, i] == pytest.approx(100 * matrix[i][0])
    expected = 100 * sum(matrix[2][1] for matrix in matrices) / 3
    assert plots.mean_matrix(row)[2, 1] == pytest.approx(expected)


def test_a_band_is_the_interval_of_the_mean_and_with_one_seed_the_mean(row):
    values = plots.first_task(row)
    low, middle, high = plots.band(values)
    for i in range(3):
        assert (low[i], high[i]) == pytest.approx(statistics.interval(values[:, i].tolist()))
    assert all(numpy.array_equal(part, values[0]) for part in plots.band(values[:1]))
    assert (low < middle).all() and (middle < high).all()


def test_every_plot_is_svg_with_text_as_text_and_no_white_background(row):
    ranking = rank([row])
    made = [plots.plane(ranking), plots.cost(ranking)]
    made += [draw(row) for draw in (plots.heat_map, plots.curves, plots.deciles)]
    for svg in made:
        assert b"<svg" in svg and b"<text" in svg and b"#ffffff" not in svg
    assert plots.curves(row) == made[3]  # the same bytes again


def test_a_loss_is_not_shown_in_percent():
    run = a_result(a_spec("sgd"), shifted(0.5), measure="loss", initial=INITIAL)
    (row,) = summarise([run])
    assert plots.mean_matrix(row)[0, 0] == pytest.approx(run.evaluation[0][0])
