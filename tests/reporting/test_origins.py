"""A table whose records come from several versions or machines says which rows do."""

from dataclasses import replace

from making import a_result, a_spec

from nanocl.reporting import leaderboard, origins, tables
from nanocl.reporting.summaries import summarise


def measured(strategy, seed, **environment):
    result = a_result(a_spec(strategy, seed))
    return replace(result, environment=replace(result.environment, **environment))


def test_records_of_one_origin_need_no_note():
    rows = summarise([measured("sgd", 0), measured("adamw", 1)])
    assert not [*origins.mixed(rows)]


def test_a_row_that_mixes_versions_is_named_with_them():
    rows = summarise([measured("sgd", 0, torch="2.6.0"), measured("sgd", 1, torch="2.7.0")])
    (note,) = origins.mixed(rows)
    assert note.startswith(
        "different versions of torch: 2.6.0 and 2.7.0 mixed within a row in sgd (numbers repeat"
    )


def test_rows_of_different_machines_are_named_on_every_page():
    rows = summarise(
        [
            measured("sgd", 0, processor="Alpha", nanocl="1.0"),
            measured("adamw", 0, processor="Beta", nanocl="1.1"),
            measured("nanoadam", 0, processor="Beta", nanocl="1.1"),
        ]
    )
    notes = [*origins.mixed(rows)]
    assert [note.split(" (numbers")[0] for note in notes] == [
        "different versions of nanocl: 1.0 in sgd; 1.1 in adamw, nanoadam",
        "different types of CPU: Alpha in sgd; Beta in adamw, nanoadam",
    ]
    for page in (leaderboard.leaderboard(rows), tables.document(rows, "markdown")):
        assert notes[1] in page


def test_rows_with_default_options_are_named_once():
    def row(strategy, options_from):
        return a_result(a_spec(strategy, options_from=options_from))

    rows = summarise([row("sgd", "default"), row("ewc", "tuned"), row("lwf", "set")])
    assert [*origins.untuned(rows)] == ["untuned: sgd runs with default options"]
    mixed = summarise([row("sgd", "default"), row("er", "default"), a_result(a_spec(lr=0.2))])
    assert [*origins.untuned(mixed)] == ["untuned: er, sgd run with default options"]
    assert [*origins.untuned(rows[:1])] == [] and [*origins.untuned([])] == []
    chosen = summarise([row("sgd", "protocol")])
    assert [*origins.untuned(chosen)] == [
        "untuned: sgd runs with options that the protocol's author chose"
    ]
