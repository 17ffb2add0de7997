import pytest
from making import MATRIX, a_cost, a_result, a_spec, shifted

from nanocl.records import UserError
from nanocl.reporting import papers
from nanocl.reporting.papers import Choice
from nanocl.reporting.summaries import summarise

GAPS = {"sgd": 0.0, "adam": 0.001, "ewc": -0.2, "joint": 0.25}


def records(seeds=8, gaps=GAPS, **options):
    """sgd and adam take turns in being better; ewc is worse in every seed."""
    return [
        a_result(
            a_spec(name, seed, **options), shifted(gap + 0.01 * (-1) ** seed * (name == "sgd"))
        )
        for name, gap in gaps.items()
        for seed in range(seeds)
    ]


def the_table(choice, runs=None):
    (table,) = papers.tables(summarise(records() if runs is None else runs), choice)
    return table


def marked(table, column):
    return {table.names[i] for i, j in table.best if j == column}


def test_rows_and_columns_stand_in_the_order_in_which_they_are_named():
    table = the_table(Choice(("forgetting", "acc"), ("ewc", "sgd")))
    assert table.names == ("ewc", "sgd")
    assert [shown.key for shown in table.columns] == ["forgetting", "average_accuracy"]


@pytest.mark.parametrize(
    "name, key",
    [
        ("acc", "average_accuracy"),
        ("ACC", "average_accuracy"),
        ("task_acc", "masked_accuracy"),
        ("task_il_acc", "masked_accuracy"),
        ("relative", "backbone.relative"),
        ("head.l2", "head.l2"),
        ("state", "state_bytes_per_parameter"),
    ],
)
def test_a_column_is_named_by_function_header_or_short_name(name, key):
    assert papers.shown_column(name).key == key


@pytest.mark.parametrize(
    "choice, near",
    [
        (Choice(("forgeting",)), "no column 'forgeting'; did you mean 'forgetting'"),
        (Choice(rows=("edwc",)), "no row 'edwc' among the records; did you mean 'ewc'"),
    ],
)
def test_an_unknown_name_is_an_error_with_the_nearest_one(choice, near):
    with pytest.raises(UserError, match=near):
        the_table(choice)


def test_in_the_scores_column_every_row_that_is_not_separable_from_the_best_is_marked():
    table = the_table(Choice(("acc", "relative")))
    assert table.names[0] == "joint" and marked(table, 0) == {"sgd", "adam"}
    assert not marked(table, 1)  # neither much nor little drift is better
    assert "in ACC each row that is not separable from the best" in table.caption


def test_with_too_few_seeds_only_equal_numbers_share_the_mark_and_the_caption_says_so():
    table = the_table(Choice(("acc",)), records(2, {"sgd": 0.0, "adam": 0.1, "ewc": 0.1}))
    assert marked(table, 0) == {"adam", "ewc"}
    assert "not tested with fewer than 6 seeds" in table.caption


def test_the_best_of_a_column_where_less_is_better_is_the_least():
    runs = [
        a_result(a_spec(name, seed), cost=a_cost(state_bytes_per_parameter=size))
        for name, size in (("sgd", 0.0), ("adam", 8.0))
        for seed in range(2)
    ]
    assert marked(the_table(Choice(("state",)), runs), 0) == {"sgd"}


def test_a_row_with_a_diverged_run_is_not_marked():
    runs = records(6, {"sgd": 0.1, "ewc": 0.0})
    runs[0] = a_result(runs[0].spec, runs[0].evaluation, status="diverged")
    table = the_table(Choice(("acc",)), runs)
    assert marked(table, 0) == {"ewc"} and "sgd 1 of 6 diverged" in table.caption


def test_nothing_is_marked_on_request():
    table = the_table(Choice(best="none"))
    assert not table.best and "Bold" not in table.caption


def test_rows_of_one_strategy_are_told_apart_by_the_options_that_differ():
    runs = [a_result(a_spec("sgd", 0, lr=lr, momentum=0.9), MATRIX) for lr in (0.1, 0.2)]
    assert set(the_table(Choice(), runs).names) == {"sgd lr=0.1", "sgd lr=0.2"}


def test_the_caption_says_each_column_in_words():
    caption = the_table(Choice(("acc", "forgetting"))).caption
    assert "ACC (%): mean accuracy on all experiences after the last one." in caption
    assert "F (%): mean drop from the best earlier result" in caption
    assert "8 seeds; mean ± standard deviation" in caption


def test_a_protocol_without_a_chosen_row_has_no_table_and_missing_rows_are_named():
    runs = [*records(2), *records(2, {"sgd": 0.0}, scenario="task")]
    tables = papers.tables(summarise(runs), Choice(rows=("ewc", "sgd")))
    assert [table.absent for table in tables] == [(), ("ewc",)]
    assert len(papers.tables(summarise(runs), Choice(rows=("ewc",)))) == 1


def test_a_protocol_is_chosen_by_name_tier_and_scenario_or_hash():
    rows = summarise([*records(2), *records(2, scenario="task")])
    hash = rows[0].protocol_hash
    assert len(papers.of_protocol(rows, "split-digits")) == len(rows)
    for name in ("split-digits-cpu-class", hash, hash[:5]):
        assert {row.protocol_hash for row in papers.of_protocol(rows, name)} == {hash}, name
    with pytest.raises(UserError, match="did you mean 'split-digits'"):
        papers.of_protocol(rows, "split-digit")


def test_without_records_the_error_says_how_to_make_some():
    with pytest.raises(UserError, match="no records in the results folder"):
        papers.tables([], Choice())
