from dataclasses import replace

import numpy as np
import pytest
from making import a_result, a_spec, shifted

from nanocl.protocols import protocol
from nanocl.protocols.validation import SCORES
from nanocl.reporting import pairs, ranking, statistics
from nanocl.reporting.summaries import summarise


def runs(strategy, by=0.0, seeds=range(8), noise=0.001, **options):
    """Accuracies with a noise of their own for each strategy."""
    rng = np.random.default_rng([*strategy.encode()])
    extra = dict(zip(seeds, rng.normal(by, noise, len(seeds)).tolist(), strict=True))
    return [a_result(a_spec(strategy, seed, **options), shifted(extra[seed])) for seed in seeds]


def ranked(*groups):
    return ranking.rank(summarise([run for group in groups for run in group]))


def tracked(strategy, seed, online):
    points = [
        {"experience": i, "row": [0.5] * 3, "samples": 10, "online": online} for i in range(3)
    ]
    return replace(a_result(a_spec(strategy, seed)), tracking={"every": 1, "points": points})


def test_rows_are_ranked_by_mean_accuracy_with_the_p_values_of_all_pairs():
    board = ranked(runs("b", 0.1), runs("c", -0.2), runs("a", 0.0))
    assert [(p.row.strategy, p.rank, p.ranks) for p in board.places] == [
        ("b", 1, (1, 1)),
        ("a", 2, (2, 2)),
        ("c", 3, (3, 3)),
    ]
    best, middle, last = board.places
    table = np.array([place.row.columns["average_accuracy"] for place in board.places])
    expected = pairs.p_values(table)
    assert (best.p_value, middle.p_value, last.p_value) == (None, expected[1, 0], expected[2, 0])
    assert middle.separable and middle.differences == pytest.approx(table[1] - table[0])
    assert [place.band for place in board.places] == ["a", "b", "c"]
    assert (board.power.separable, board.power.pairs, board.power.ranks) == (3, 3, True)
    assert board.winner is best.row


def test_losses_are_ranked_lowest_first():
    low, high = (
        [replace(run, measure="loss") for run in runs(name, by, noise=0.0)]
        for name, by in (("low", 0.0), ("high", 0.1))
    )
    board = ranked(high, low)
    assert [(place.row.strategy, place.rank) for place in board.places] == [("low", 1), ("high", 2)]


def test_rows_that_no_test_separates_share_a_band_and_the_best_is_no_winner():
    board = ranked(runs("b", 0.001, noise=0.02), runs("c", 0.0, noise=0.02), runs("a", -0.3))
    first, second, third = board.places
    assert first.band == second.band == "a" and third.band == "b"
    assert board.winner is None and "not separable" in second.note
    assert [place.rank for place in board.places] == [1, 2, 3]


def test_rows_share_a_rank_if_they_print_the_same_number_and_are_not_separable():
    same = np.ones((4, 4))
    assert [*ranking.tied_ranks(["5.00", "5.00", "4.99", "4.99"], same)] == [1, 1, 3, 3]
    apart = same.copy()
    apart[0, 1] = apart[1, 0] = 0.01
    assert [*ranking.tied_ranks(["5.00", "5.00", "5.00", "4.99"], apart)] == [1, 2, 2, 4]
    board = ranked(
        [a_result(a_spec(name, seed), shifted(0.01 * seed)) for name in "xy" for seed in range(8)],
        runs("low", -0.2),
    )
    assert [place.rank for place in board.places] == [1, 1, 3]


def test_a_board_without_enough_separable_pairs_gives_no_ranks():
    board = ranked(*(runs(name, noise=0.05) for name in ("a", "b", "c", "d", "e")))
    assert board.power.share < 0.25
    assert [(place.rank, place.ranks) for place in board.places] == [(None, None)] * 5
    assert all(place.band for place in board.places)


@pytest.mark.parametrize("seeds", [1, 3, 5])
def test_fewer_than_6_seeds_are_preliminary_without_test_ranks_and_bands(seeds):
    board = ranked(runs("a", 0.2, seeds=range(seeds)), runs("b", -0.3, seeds=range(seeds)))
    assert board.preliminary and board.power is None and board.winner is None
    assert [place.row.strategy for place in board.places] == ["a", "b"]
    for place in board.places:
        assert (place.rank, place.ranks, place.band, place.p_value) == (None, None, "", None)
        assert place.note.startswith(f"preliminary: {seeds} seed")


def test_joint_training_is_an_upper_bound_and_not_ranked():
    first, joint = ranked(runs("joint", 0.3), runs("sgd")).places
    assert (first.row.strategy, first.rank, first.note) == ("sgd", 1, "the only row")
    assert (joint.row.strategy, joint.rank, joint.note) == (
        "joint",
        None,
        "upper bound, not ranked",
    )


def test_a_row_with_diverged_seeds_is_not_ranked_because_the_remaining_seeds_are_a_biased_sample():
    unfinished = [
        *runs("unfinished", 0.3, seeds=range(7)),
        a_result(a_spec("unfinished", 7), (), status="diverged"),
    ]
    board = ranked(unfinished, runs("sgd"), runs("adam", -0.1))
    last = board.places[-1]
    assert board.compared == 2 and board.power.pairs == 1
    assert (last.row.strategy, last.rank, last.note) == (
        "unfinished",
        None,
        "not ranked: 1 of 8 runs diverged",
    )


def test_the_seeds_of_a_board_are_those_of_most_rows_and_a_row_without_them_is_not_ranked():
    board = ranked(
        runs("a", 0.1),
        runs("b"),
        runs("more", 0.2, seeds=range(12)),
        runs("less", 0.3, seeds=range(6)),
    )
    assert board.seeds == tuple(range(8))
    more, a, b, less = board.places
    assert [place.row.strategy for place in (more, a, b)] == ["more", "a", "b"]
    assert len(more.differences) == len(a.differences) == 8
    assert (less.rank, less.note) == (None, "not ranked: without seeds 6, 7")
    assert ranking.values_of(more.row, "average_accuracy", board.seeds) == list(
        more.row.columns["average_accuracy"][:8]
    )


def test_only_unranked_rows_make_a_board_without_ranks():
    assert [place.rank for place in ranked(runs("joint")).places] == [None]


def test_a_protocol_names_its_score(monkeypatch):
    toy = {"stream": {"family": "split"}, "score": "online_accuracy"}
    monkeypatch.setattr(ranking, "protocols", lambda: {**protocol.protocols(), "split-digits": toy})
    by_online = [
        tracked(name, seed, on) for name, on in (("a", 0.2), ("b", 0.7)) for seed in (0, 1)
    ]
    board = ranked(by_online, runs("untracked", 0.9, seeds=(0, 1)))
    assert board.score.name == "online_accuracy"
    assert [place.row.strategy for place in board.places] == ["b", "a", "untracked"]
    assert board.places[-1].note == "not ranked: its online ACC is undefined"


@pytest.mark.parametrize("name", SCORES)
def test_every_score_that_a_protocol_may_name_is_a_column_without_sign(name, monkeypatch):
    toy = {"stream": {"family": "split"}, "score": name}
    monkeypatch.setattr(ranking, "protocols", lambda: {"split-digits": toy})
    column = ranking.score_of(a_spec())
    assert column.name == name and not column.signed and column.unit == "score"


def test_the_score_of_an_unknown_protocol_is_average_accuracy():
    assert ranking.score_of(a_spec(protocol="of-a-user")).name == "average_accuracy"
    assert ranking.score_of(a_spec(tier="no-such-tier")).name == "average_accuracy"


def test_p_values_of_a_pair_of_equal_rows_are_1_and_never_separate():
    board = ranked(
        [a_result(a_spec(name, seed), shifted(0.01 * seed)) for name in "xy" for seed in range(8)]
    )
    assert board.places[1].p_value == 1.0 > statistics.LEVEL
    assert board.winner is None
