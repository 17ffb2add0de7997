from dataclasses import replace

import pytest
from making import MATRIX, a_result, a_spec, shifted

from nanocl.records import Part
from nanocl.reporting import metrics, summaries, tables
from nanocl.reporting.summaries import summarise


def runs(strategy="sgd", seeds=3, by=0.0, **options):
    return [
        a_result(a_spec(strategy, seed, **options), shifted(by + seed / 100))
        for seed in range(seeds)
    ]


def test_a_row_holds_the_values_of_its_seeds_in_their_order():
    (row,) = summarise(reversed(runs()))
    assert row.seeds == (0, 1, 2)
    assert row.columns["average_accuracy"] == pytest.approx((0.6, 0.61, 0.62))
    assert row.columns["backbone.l2"] == (3.0, 3.0, 3.0)
    assert row.columns["train_seconds"] == (10.0,) * 3


def test_every_column_of_every_kind_is_in_a_row():
    (row,) = summarise(runs())
    for kind in metrics.KINDS:
        for column in metrics.columns(kind):
            for group in metrics.GROUPS if kind == "drift" else ("",):
                assert summaries.column_name(column, group) in row.columns


def test_two_protocols_and_two_settings_of_a_strategy_are_different_rows():
    rows = summarise(
        [*runs(), *runs(epochs=2), *runs(data="f" * 16), *runs(lr=0.1), *runs(scenario="task")]
    )
    assert len(rows) == 5
    assert len({row.protocol_hash for row in rows}) == 4
    assert len(summaries.by_protocol(rows)) == 4


def test_seeds_and_origins_of_options_do_not_split_a_protocol():
    (row,) = summarise([*runs(seeds=2), a_result(a_spec(seed=5, options_from="tuned"))])
    assert row.seeds == (0, 1, 5) and row.options_from == "default/tuned"


def test_rows_are_sorted_by_name_and_joint_training_comes_last():
    rows = summarise([*runs("joint"), *runs("si"), *runs("ewc"), *runs("adam+joint")])
    assert [row.strategy for row in rows] == ["ewc", "si", "adam+joint", "joint"]


def trained_at_the_end(spec, drift=True):
    """Three rows, the first two of a model that has not moved yet."""
    result = a_result(spec, MATRIX)
    still = replace(result.drift[0], start={"all": {"l2": 0.0}})
    rows = (result.initial, result.initial, MATRIX[2])
    entries = (still, still, result.drift[2]) if drift else ()
    return replace(result, evaluation=MATRIX if drift else rows, drift=entries)


@pytest.mark.parametrize("drift", [True, False])
def test_of_training_at_the_end_only_the_last_row_counts_and_the_table_says_why(drift):
    end = trained_at_the_end(a_spec("joint", when="end"), drift)
    sgd, joint = summarise([a_result(a_spec(), MATRIX), end])
    undefined = [name for name, values in joint.columns.items() if None in values]
    assert {"learning_accuracy", "forgetting", "backward_transfer"} <= {*undefined}
    assert joint.columns["average_accuracy"] == (pytest.approx(0.6),)
    assert sgd.columns["intransigence"] == (None,) and sgd.columns["gap_to_joint"] != (None,)
    page = tables.document([sgd, joint], "markdown")
    assert "`-` in LA: the model was not trained before experience 3 of 3" in page


def test_rows_before_the_start_of_a_stream_are_those_of_a_trained_model():
    spec = a_spec()
    spec = replace(spec, stream=replace(spec.stream, options={"start": 1}))
    (row,) = summarise([trained_at_the_end(spec)])
    assert row.columns["forgetting"] != (None,)


def test_joint_training_of_the_same_seed_is_the_reference_and_has_none_itself():
    results = [*runs("sgd"), *(a_result(a_spec("joint", seed), shifted(0.1)) for seed in (0, 1))]
    sgd, joint = summarise(results)
    assert sgd.columns["gap_to_joint"][:2] == pytest.approx((0.1, 0.09))
    assert sgd.columns["gap_to_joint"][2] is None
    assert sgd.columns["intransigence"][0] == pytest.approx(0.1)
    assert joint.columns["gap_to_joint"] == (None, None)


def test_plain_joint_training_with_the_most_seeds_is_the_reference_however_well_others_do():
    few, many = runs("joint", seeds=2, by=0.2, lr=0.1), runs("joint", seeds=3, by=0.1, lr=0.2)
    composed = runs("joint+adam", seeds=5, by=0.3)
    chosen = summaries.references([*few, *many, *composed])
    assert [chosen[seed].matrix for seed in range(3)] == [run.evaluation for run in many] and len(
        chosen
    ) == 3
    assert (
        summaries.references([*runs("joint+sgd", seeds=2), *composed])[4].matrix
        == composed[4].evaluation
    )


def test_the_task_incremental_view_leaves_out_what_could_not_be_answered_yet():
    def view(head):
        spec = a_spec()
        result = a_result(replace(spec, training=replace(spec.training, head=head)), masked=MATRIX)
        seen = []
        column = replace(
            next(metrics.columns("accuracy")), compute=lambda run: seen.append(run.masked)
        )
        summaries.compute(column, "", result, {})
        return seen[0]

    assert view("auto") == view("seen") == ((0.9, None, None), (0.7, 0.8, None), (0.5, 0.6, 0.7))
    assert view("all") == MATRIX


def test_joint_training_of_another_protocol_is_no_reference():
    sgd, _ = summarise([*runs("sgd"), *runs("joint", epochs=5)])
    assert sgd.columns["gap_to_joint"] == (None, None, None)


def test_diverged_runs_are_counted_and_left_out_of_the_values():
    (row,) = summarise([*runs(seeds=2), a_result(a_spec(seed=2), MATRIX[:1], status="diverged")])
    assert (row.seeds, row.diverged, len(row.results)) == ((0, 1), (2,), 3)
    assert len(row.columns["average_accuracy"]) == 2


def test_a_metric_that_is_undefined_is_none_and_never_zero():
    (row,) = summarise([a_result(a_spec(), ((0.9,),), initial=(0.1,))])
    assert row.columns["forgetting"] == row.columns["forward_transfer"] == (None,)
    assert row.columns["head.relative"] == row.columns["buffers.l2"] == (None,)


def test_options_that_differ_from_the_defaults_are_shown_by_part(monkeypatch):
    class Known:
        options = {"lr": (("float",), 0.001), "nesterov": (("bool",), False)}

    monkeypatch.setattr(summaries, "_strategies", lambda: {"sgd": Known})
    same, other = summarise([*runs(lr=0.001, nesterov=False), *runs(lr=0.1, nesterov=True)])
    assert (same.options, other.options) == ("", "lr=0.1 nesterov=true")
    (composed,) = summarise(runs("sgd+unheard-of", lr=0.1))
    assert composed.options == "sgd.lr=0.1"


def test_a_user_plugin_shows_its_hash_and_all_of_its_options():
    spec = a_spec()
    local = type(spec)(
        **{**vars(spec), "strategy": (Part("mine", {"strength": 1.0}, plugin="12fca82f0beb"),)}
    )
    (row,) = summarise([a_result(local)])
    assert row.options == "user plugin (hash 12fca82f) strength=1.0"


def test_two_versions_of_an_algorithm_never_share_a_row():
    old = runs()
    newer = [
        replace(run, spec=replace(run.spec, strategy=(Part("sgd", {}, version=2),))) for run in old
    ]
    first, second = summarise([*newer, *old])
    assert (first.options, second.options) == ("", "(v2)")
    assert first.seeds == second.seeds == (0, 1, 2)


@pytest.mark.parametrize(
    ("scenario", "head", "measure", "defined"),
    [
        ("task", "auto", "accuracy", False),
        ("task", "own", "accuracy", False),
        ("task", "masked", "accuracy", True),
        ("task", "auto", "loss", True),
        ("domain", "auto", "accuracy", True),
    ],
)
def test_forward_transfer_is_undefined_where_each_experience_has_a_head(
    scenario, head, measure, defined
):
    spec = a_spec(scenario=scenario)
    spec = replace(spec, training=replace(spec.training, head=head))
    (row,) = summarise([a_result(spec, measure=measure)])
    assert (row.columns["forward_transfer"] != (None,)) is defined
    if not defined:
        page = tables.document([row], "markdown")
        assert "`-` in FWT: each experience has its own head" in page


def test_a_row_reads_the_evaluation_of_a_run_once_for_all_its_columns(monkeypatch):
    read = []
    evaluation_of = summaries.evaluation_of
    monkeypatch.setattr(
        summaries, "evaluation_of", lambda run: read.append(run) or evaluation_of(run)
    )
    results = [a_result(a_spec(seed=seed)) for seed in range(4)]
    summaries.summarise(results)
    assert read == results
