"""All streams give the same samples for one seed, and any Avalanche learner trains on them."""

import numpy as np
import pytest
import torch
from avalanche.models import MTSimpleMLP, SimpleMLP
from avalanche.training.supervised import Naive
from experiences import build, classes_of, whole
from torch import nn

from nanocl import data
from nanocl.streams import Stream
from nanocl.streams.permuted import Permuted
from nanocl.streams.rotated import Rotated
from nanocl.streams.split import Split
from nanocl.streams.teacher_student import TeacherStudent

STREAMS = {
    "split": Split(validation=0.2),
    "permuted": Permuted(data="digits", experiences=3, validation=0.2),
    "rotated": Rotated(data="digits", experiences=3, angles="seed", validation=0.2),
    "teacher-student": TeacherStudent(samples=30, test_samples=20),
}


KINDS = [(name, kind) for name, stream in STREAMS.items() for kind in stream.scenarios]


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_one_seed_gives_one_stream_in_any_global_random_state(name, kind):
    torch.manual_seed(1)
    np.random.seed(1)
    first = build(STREAMS[name], kind, 7)
    torch.manual_seed(2)
    np.random.seed(2)
    second, other = build(STREAMS[name], kind, 7), build(STREAMS[name], kind, 8)
    for one, two in zip(first.streams.values(), second.streams.values(), strict=True):
        for a, b in zip(one, two, strict=True):
            assert all(torch.equal(x, y) for x, y in zip(whole(a), whole(b), strict=True))
    assert not all(
        torch.equal(whole(a)[0], whole(b)[0])
        for a, b in zip(first.train_stream, other.train_stream, strict=True)
    )


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_a_scenario_describes_its_experiences(name, kind):
    scenario = build(STREAMS[name], kind)
    assert scenario.kind == kind
    for number, experience in enumerate(scenario.train_stream):
        inputs, targets = whole(experience)
        assert inputs.shape[1:] == scenario.inputs and inputs.dtype == torch.float32
        assert experience.task_label == number
        if scenario.measure == "accuracy":
            assert scenario.classes[number] == tuple(classes_of(experience))
            assert set(scenario.classes[number]) <= set(range(scenario.outputs))
        else:
            assert targets.shape == (len(inputs), scenario.outputs)
    if name != "teacher-student":
        assert scenario.data == (data.load("digits").facts(),)


@pytest.mark.parametrize("stream", ["permuted", "rotated"])
def test_repeated_images_have_new_classes_except_in_the_domain_scenario(stream):
    by_domain, by_task = (build(STREAMS[stream], kind) for kind in ("domain", "task"))
    assert by_domain.outputs == 10 and by_task.outputs == 30
    assert by_task.classes == tuple(tuple(range(10 * i, 10 * i + 10)) for i in range(3))
    for i, (a, b) in enumerate(zip(by_domain.train_stream, by_task.train_stream, strict=True)):
        assert torch.equal(whole(a)[1] + 10 * i, whole(b)[1])
        assert torch.equal(whole(a)[0], whole(b)[0])


def test_avalanche_alone_trains_on_a_stream():
    torch.manual_seed(0)
    scenario = build(Split(experiences=2, class_order="natural"))
    model = SimpleMLP(num_classes=10, input_size=64, hidden_size=64, drop_rate=0)
    learner = Naive(
        model,
        torch.optim.Adam(model.parameters(), 0.01),
        nn.CrossEntropyLoss(),
        train_mb_size=32,
        train_epochs=5,
        eval_mb_size=64,
        evaluator=None,
    )
    for experience in scenario.train_stream:
        learner.train(experience)
    model.eval()
    accuracy = [
        (model(x).argmax(1) == y).float().mean().item() for x, y in map(whole, scenario.test_stream)
    ]
    assert accuracy[1] > 0.85 and accuracy[0] < 0.5


def test_avalanche_trains_a_head_per_experience_from_the_task_labels():
    torch.manual_seed(0)
    scenario = build(Split(), "task")
    model = MTSimpleMLP(input_size=64, hidden_size=64)
    learner = Naive(
        model,
        torch.optim.Adam(model.parameters(), 0.01),
        nn.CrossEntropyLoss(),
        train_mb_size=32,
        train_epochs=5,
        eval_mb_size=64,
        evaluator=None,
    )
    learner.train(scenario.train_stream)
    x, y = whole(scenario.test_stream[-1])
    assert (model.eval()(x, 4).argmax(1) == y).float().mean() > 0.9


def test_a_stream_without_build_is_named():
    class Unfinished(Stream):
        """Has no build."""

    with pytest.raises(NotImplementedError, match=r"^Unfinished must implement build$"):
        Unfinished().build(scenario="class", seed=0, data_root=None)
