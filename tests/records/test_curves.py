"""What the worker of a logged run sends."""

import pickle

import pytest
from making import a_result

from nanocl.records.curves import Point, ResultSoFar, TrainingPoints


@pytest.mark.parametrize(
    ("name", "axis"),
    [
        ("training/loss", "mini-batches"),
        ("training/backbone.l2", "mini-batches"),
        ("backbone.l2", "experiences"),
        ("accuracy/experience_1", "experiences"),
    ],
)
def test_curves_of_training_count_mini_batches_and_all_others_experiences(name, axis):
    assert Point(name, 3, 0.5).axis == axis


def test_a_message_names_its_run_in_another_process():
    result = a_result()
    points = TrainingPoints(result.spec.digest, (Point("training/loss", 1, 0.5),))
    for message in (points, ResultSoFar(result)):
        received = pickle.loads(pickle.dumps(message))
        assert received == message and received.digest == result.spec.digest
