"""The figures draw the numbers of the records."""

import numpy
import pytest
from digits_records import record, results
from making import a_result, a_spec

from nanocl.api import figures
from nanocl.api.results import Results
from nanocl.records import UserError

RUNS = results()


def test_the_curves_are_the_means_over_experiences_so_far_and_over_seeds():
    (axes,) = figures.curves(RUNS.summaries).axes
    lines = {line.get_label().split()[0]: line for line in axes.get_lines()}
    assert set(lines) == {"adamw", "er", "joint"}
    expected = []
    for run in RUNS.filter(strategy="er"):
        rows = record(run)["evaluation"]
        expected.append([100 * numpy.mean(row[: i + 1]) for i, row in enumerate(rows)])
    assert lines["er"].get_ydata() == pytest.approx(numpy.mean(expected, axis=0))
    assert list(lines["er"].get_xdata()) == [1, 2, 3, 4, 5]
    band = axes.collections[list(lines).index("er")].get_paths()[0].vertices[:, 1]
    spread = numpy.std(expected, axis=0, ddof=1)
    assert band.max() == pytest.approx((numpy.mean(expected, axis=0) + spread).max())


def test_the_matrix_of_a_learner_is_the_mean_over_its_seeds():
    axes, _ = figures.matrix(RUNS.summaries, "er").axes
    matrices = [
        numpy.array(record(run)["evaluation"], dtype=float) for run in RUNS.filter(strategy="er")
    ]
    expected = 100 * numpy.mean(matrices, axis=0)
    shown = numpy.ma.filled(axes.get_images()[0].get_array(), numpy.nan)
    numpy.testing.assert_allclose(shown, expected)
    assert {text.get_text() for text in axes.texts} == {
        f"{value:.3g}" for value in expected[~numpy.isnan(expected)]
    }


def test_a_notebook_shows_a_figure_as_a_picture():
    assert figures.curves(RUNS.summaries)._repr_png_().startswith(b"\x89PNG")


def test_what_cannot_be_drawn_is_said():
    other = Results((*RUNS, a_result(a_spec(protocol="other"))))
    with pytest.raises(UserError, match=r"runs of one protocol, got 2 \(.*filter\(protocol_hash"):
        figures.curves(other.summaries)
    with pytest.raises(UserError, match="'adamv' is not among the runs; did you mean 'adamw'"):
        figures.matrix(RUNS.summaries, "adamv")
    rates = Results(tuple(a_result(a_spec("sgd", lr=rate)) for rate in (0.1, 0.2)))
    with pytest.raises(UserError, match=r"several settings: .*lr=0\.1; .*lr=0\.2"):
        figures.matrix(rates.summaries, "sgd")
    lost = Results((a_result(evaluation=(), status="diverged"),))
    with pytest.raises(UserError, match="no run reached the end"):
        figures.curves(lost.summaries)
