import itertools

import pytest
from making import a_result, a_spec, shifted

from nanocl.records import UserError
from nanocl.reporting import plots
from nanocl.reporting.summaries import summarise

KINDS = {"pdf": b"%PDF", "png": b"\x89PNG", "svg": b"<?xml"}


def records(names=("sgd", "adam"), seeds=2, **options):
    return [
        a_result(a_spec(name, seed), shifted(place / 10 + seed / 100), **options)
        for place, name in enumerate(names)
        for seed in range(seeds)
    ]


def test_each_protocol_has_a_figure_of_the_stream_and_of_the_plane_in_each_format():
    drawn = dict(plots.draw(summarise(records()), (), tuple(KINDS)))
    assert len(drawn) == 2 * len(KINDS)
    for name, content in drawn.items():
        assert content.startswith(KINDS[name.rpartition(".")[2]]), name


def test_figures_are_one_column_wide_and_the_same_twice():
    first, second = (dict(plots.draw(summarise(records()), (), ("svg", "pdf"))) for _ in range(2))
    assert first == second
    svg = next(content for name, content in first.items() if name.endswith(".svg"))
    assert b'width="237.6pt"' in svg  # 3.3 inches


def test_the_curve_of_the_stream_is_the_mean_on_the_experiences_so_far(monkeypatch):
    figures = []
    original = plots.stream
    monkeypatch.setattr(
        plots, "stream", lambda lines: figures.append(original(lines)) or figures[0]
    )
    list(plots.draw(summarise(records(("sgd",))), (), ("png",)))
    (axes,) = figures[0].axes
    (line,) = axes.lines
    matrix = ((0.9,), (0.7, 0.8), (0.5, 0.6, 0.7))
    expected = [100 * (sum(row) / len(row) + 0.005) for row in matrix]  # mean of two seeds
    assert list(line.get_ydata()) == pytest.approx(expected)


def test_rows_that_no_other_row_beats_are_the_front():
    points = [(0, 3), (1, 2), (1, 1), (2, 0)]
    by_hand = [
        one
        for one in points
        if not any(other[0] >= one[0] and other[1] >= one[1] and other != one for other in points)
    ]
    for order in itertools.permutations(points):
        assert sorted(plots.unbeaten(order)) == sorted(by_hand) == [(0, 3), (1, 2), (2, 0)]
    assert plots.unbeaten([(1, 1), (1, 1)]) == [(1, 1), (1, 1)]


def test_losses_are_drawn_without_percent():
    drawn = dict(plots.draw(summarise(records(measure="loss")), (), ("svg",)))
    assert len(drawn) == 2


def test_too_many_names_and_runs_that_all_diverged_are_errors():
    with pytest.raises(UserError, match="at most 8 rows, got 9"):
        list(plots.draw(summarise(records()), tuple("abcdefghi"), ("png",)))
    with pytest.raises(UserError, match="nothing to draw"):
        list(plots.draw(summarise(records(status="diverged")), (), ("png",)))
