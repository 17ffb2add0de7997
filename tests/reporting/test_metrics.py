import pytest
from hypothesis import given
from hypothesis import strategies as some
from making import INITIAL, MATRIX, a_cost, a_drift

from nanocl.records.measuring import Measuring
from nanocl.reporting import function, mastery, metrics, within
from nanocl.reporting.columns import Column, with_nan
from nanocl.reporting.metrics import Evaluation, Undefined

BY_HAND = {
    "average_accuracy": (0.5 + 0.6 + 0.7) / 3,
    "average_incremental_accuracy": (0.9 + (0.7 + 0.8) / 2 + (0.5 + 0.6 + 0.7) / 3) / 3,
    "learning_accuracy": (0.9 + 0.8 + 0.7) / 3,
    "forgetting": ((0.9 - 0.5) + (0.8 - 0.6)) / 2,
    "first_minus_last": ((0.9 - 0.5) + (0.8 - 0.6)) / 2,
    "backward_transfer": ((0.5 - 0.9) + (0.6 - 0.8)) / 2,
    "forward_transfer": ((0.2 - 0.2) + (0.2 - 0.3)) / 2,
    "minimum_accuracy": (min(0.7, 0.5) + 0.6) / 2,
    "intransigence": ((0.96 - 0.9) + (0.92 - 0.8) + (0.85 - 0.7)) / 3,
    "gap_to_joint": (0.95 + 0.9 + 0.85) / 3 - (0.5 + 0.6 + 0.7) / 3,
    "masked_accuracy": (0.9 + 0.9 + 0.96) / 3,
}
JOINT = Evaluation(INITIAL, ((0.96, 0.0, 0.0), (0.97, 0.92, 0.0), (0.95, 0.9, 0.85)))
RUN = Evaluation(INITIAL, MATRIX, joint=JOINT, masked=(MATRIX[0], MATRIX[1], (0.9, 0.9, 0.96)))
accuracy = {column.name: column for column in metrics.columns("accuracy")}
OWN_FILES = {**vars(within), **vars(mastery), **vars(function)}  # which have tests of their own
TRACKED = {column.name for column in OWN_FILES.values() if isinstance(column, Column)}
matrices = some.integers(2, 5).flatmap(
    lambda count: some.lists(
        some.lists(some.floats(0, 1), min_size=count, max_size=count),
        min_size=count + 1,
        max_size=count + 1,
    )
)


@pytest.mark.parametrize("name", BY_HAND)
def test_each_accuracy_metric_equals_the_hand_computed_value(name):
    assert accuracy[name].compute(RUN) == pytest.approx(BY_HAND[name], abs=1e-12)


def test_every_accuracy_column_has_a_hand_computed_value():
    assert set(accuracy) - TRACKED == set(BY_HAND)


def test_forgetting_takes_the_best_earlier_result_where_first_minus_last_takes_the_first():
    run = Evaluation((0, 0, 0), ((0.5, 0, 0), (0.9, 0.6, 0), (0.4, 0.7, 0.8)))
    assert metrics.forgetting(run) == pytest.approx(((0.9 - 0.4) + (0.6 - 0.7)) / 2)
    assert metrics.first_minus_last(run) == pytest.approx(((0.5 - 0.4) + (0.6 - 0.7)) / 2)


def test_forgetting_ignores_the_last_row_and_stays_signed_after_backward_transfer():
    assert metrics.forgetting(Evaluation((0, 0), ((0.5, 0.0), (0.8, 0.9)))) == pytest.approx(-0.3)


@given(matrices)
def test_for_losses_every_difference_changes_sign_and_every_level_keeps_it(rows):
    scores = Evaluation(tuple(rows[0]), tuple(map(tuple, rows[1:])))
    minus = tuple(tuple(-value for value in row) for row in scores.matrix)
    losses = Evaluation(tuple(-v for v in rows[0]), minus, "loss")
    joint = scores._replace(initial=(2.0,) * len(minus), matrix=scores.matrix[::-1])
    scores = scores._replace(joint=joint)
    losses = losses._replace(joint=joint._replace(matrix=minus[::-1], measure="loss"))
    levels = {
        "average_accuracy",
        "average_incremental_accuracy",
        "learning_accuracy",
        "minimum_accuracy",
    }
    for name, column in accuracy.items():
        if name not in TRACKED | {"masked_accuracy"}:
            sign = -1 if name in levels else 1
            assert column.compute(losses) == pytest.approx(
                sign * column.compute(scores), abs=1e-9
            ), name


def test_a_loss_that_rose_is_positive_forgetting_and_its_worst_value_is_the_largest():
    run = Evaluation((4.0, 4.0), ((0.5, 3.0), (2.0, 0.1)), "loss")
    assert (
        metrics.forgetting(run)
        == metrics.first_minus_last(run)
        == -metrics.backward_transfer(run)
        == 1.5
    )
    assert metrics.forward_transfer(run) == 1.0
    assert metrics.minimum_accuracy(run) == 2.0
    joint = Evaluation((4.0, 4.0), ((0.25, 3.0), (0.1, 0.1)), "loss")
    assert metrics.gap_to_joint(run._replace(joint=joint)) == pytest.approx(0.95)
    assert metrics.intransigence(run._replace(joint=joint)) == pytest.approx(
        (0.5 - 0.25 + 0.1 - 0.1) / 2
    )


def test_joint_training_at_the_end_only_gives_a_gap_and_no_intransigence():
    run = RUN._replace(
        joint=Evaluation(INITIAL, (INITIAL, INITIAL, (0.95, 0.9, 0.85)), untrained=2)
    )
    assert metrics.gap_to_joint(run) == metrics.gap_to_joint(RUN)
    with pytest.raises(Undefined, match="only at the end"):
        metrics.intransigence(run)


@pytest.mark.parametrize(
    "metric",
    [
        metrics.average_incremental_accuracy,
        metrics.learning_accuracy,
        metrics.forgetting,
        metrics.first_minus_last,
        metrics.backward_transfer,
        metrics.forward_transfer,
        metrics.minimum_accuracy,
        metrics.intransigence,
    ],
)
def test_rows_of_an_untrained_model_decide_no_metric(metric):
    run = RUN._replace(untrained=2)
    with pytest.raises(Undefined, match="not trained before experience 3 of 3"):
        metric(run)
    assert metrics.average_accuracy(run) == metrics.average_accuracy(RUN)
    assert metrics.gap_to_joint(run) == metrics.gap_to_joint(RUN)


@given(matrices)
def test_first_minus_last_is_minus_backward_transfer_and_never_exceeds_forgetting(rows):
    run = Evaluation(tuple(rows[0]), tuple(map(tuple, rows[1:])))
    assert metrics.first_minus_last(run) == pytest.approx(
        -metrics.backward_transfer(run), abs=1e-12
    )
    assert metrics.forgetting(run) >= metrics.first_minus_last(run) - 1e-12


@pytest.mark.parametrize(
    "name",
    ["forgetting", "first_minus_last", "backward_transfer", "forward_transfer", "minimum_accuracy"],
)
def test_differences_over_the_stream_are_undefined_for_one_experience(name):
    with pytest.raises(Undefined, match="needs 2 experiences"):
        accuracy[name].compute(Evaluation((0.1,), ((0.9,),)))


def test_levels_are_defined_for_one_experience():
    run = Evaluation((0.1,), ((0.9,),))
    assert metrics.average_accuracy(run) == metrics.learning_accuracy(run) == 0.9


@pytest.mark.parametrize("name", ["intransigence", "gap_to_joint"])
def test_without_a_joint_reference_the_distance_to_it_is_undefined(name):
    with pytest.raises(Undefined, match="joint"):
        accuracy[name].compute(RUN._replace(joint=None))


@pytest.mark.parametrize("name", [name for name in BY_HAND if name != "masked_accuracy"])
@pytest.mark.parametrize("matrix", [(), MATRIX[:2]])
def test_an_incomplete_matrix_gives_no_number(name, matrix):
    with pytest.raises(Undefined, match="not complete"):
        accuracy[name].compute(RUN._replace(matrix=matrix))


def test_drift_is_read_at_the_end_against_the_start_and_the_path_adds_the_steps():
    drift = (a_drift(1.0, 1.0), a_drift(2.5, 2.0), a_drift(3.0, 4.0))
    read = {column.name: column.compute for column in metrics.columns("drift")}
    assert read["l2"](drift, "backbone") == 3.0
    assert read["relative"](drift, "all") == pytest.approx(0.3)
    assert read["mean_squared"](drift, "head") == pytest.approx(0.09)
    assert read["touched"](drift, "head") == 1.0
    assert read["cosine"](drift, "head") == 0.9
    assert read["path_length"](drift, "backbone") == 7.0
    assert read["path_ratio"](drift, "backbone") == pytest.approx(7 / 3)
    assert read["average_tensor_distance"](drift, "backbone") == 0.75


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("relative", "head"),
        ("l2", "buffers"),
        ("path_length", "buffers"),
        ("average_tensor_distance", "head"),
    ],
)
def test_drift_that_was_not_measured_is_undefined(name, group):
    read = {column.name: column.compute for column in metrics.columns("drift")}
    with pytest.raises(Undefined):
        read[name]((a_drift(),), group)


def test_parameters_that_have_not_moved_have_no_path_ratio():
    with pytest.raises(Undefined, match="have not moved"):
        metrics.path_ratio((a_drift(0.0, 1.0),), "backbone")


def test_cost_columns_read_the_cost_and_an_unused_device_is_undefined():
    read = {column.name: column.compute for column in metrics.columns("cost")}
    assert read["optimizer_state_bytes"](a_cost(optimizer_state_bytes=77)) == 77
    assert read["strategy_state_bytes"](a_cost()) == 0
    with pytest.raises(Undefined):
        read["device_memory_bytes"](a_cost())


def test_column_names_are_unique_over_all_kinds():
    names = [column.name for kind in metrics.KINDS for column in metrics.columns(kind)]
    assert len(names) == len(set(names)) == 11 + 4 + 4 + 2 + 8 + 11


@pytest.mark.parametrize(
    ("evaluate", "defined"),
    [
        ("seen", set(BY_HAND) - {"forward_transfer"}),
        (
            "last",
            {
                "average_accuracy",
                "learning_accuracy",
                "first_minus_last",
                "backward_transfer",
                "intransigence",
                "gap_to_joint",
                "masked_accuracy",
            },
        ),
    ],
)
def test_a_metric_is_its_value_where_its_cells_were_tested_and_else_undefined(evaluate, defined):
    rows = []
    for trained, row in enumerate(MATRIX):
        tested = Measuring(evaluate).tests(trained, 3)
        rows.append([value if j in tested else None for j, value in enumerate(row)])
    run = RUN._replace(matrix=with_nan(rows))
    for name, value in BY_HAND.items():
        if name in defined:
            assert accuracy[name].compute(run) == pytest.approx(value, abs=1e-12)
        else:
            with pytest.raises(Undefined, match="--evaluate all"):
                accuracy[name].compute(run)


def test_forward_transfer_to_a_head_that_was_never_trained_is_undefined():
    with pytest.raises(Undefined, match="its own head"):
        metrics.forward_transfer(RUN._replace(own_heads=True))
