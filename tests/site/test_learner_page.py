"""From a number to its records: the page of a learner."""

from making import a_result, a_spec

from nanocl.reporting.summaries import summarise
from nanocl.site import learner_page


def test_the_page_lists_every_run_with_its_digest(built, boards):
    (board,) = boards
    for slug, place in board.places():
        text = (built / board.folder / f"{slug}.html").read_text(encoding="utf-8")
        assert all(run.spec.digest in text for run in place.row.results)


def test_the_tensors_that_moved_most_come_first_as_means_over_seeds():
    (row,) = summarise([a_result(a_spec("sgd", seed)) for seed in range(2)])
    assert learner_page._layers(row) == [
        ("hidden.weight", "3", "0.3"),
        ("hidden.bias", "0", "-"),
    ]


def test_a_run_that_diverged_has_no_score():
    (row,) = summarise([a_result(a_spec("sgd"), ((0.5, 0.1, 0.1),), status="diverged")])
    assert learner_page._run(row.results[0], row)["score"] == "diverged"
    assert learner_page._layers(row) == []
