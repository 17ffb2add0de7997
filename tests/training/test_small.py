"""The small stream and the small learner are what their options say."""

import pytest
import torch

from nanocl.testing import SmallBackbone, run, small_learner, small_stream


@pytest.mark.parametrize(("scenario", "outputs"), [("class", 6), ("task", 6), ("domain", 2)])
def test_a_small_stream_has_two_classes_per_experience(scenario, outputs):
    stream = small_stream(scenario, samples=5)
    assert (stream.kind, stream.inputs, stream.outputs) == (scenario, (1, 4, 4), outputs)
    labels = [(0, 1)] * 3 if scenario == "domain" else [(0, 1), (2, 3), (4, 5)]
    assert list(stream.classes) == labels
    for experience in (*stream.train_stream, *stream.test_stream):
        assert len(experience.dataset) == 10


def test_the_targets_of_regression_are_two_pixels_of_the_image():
    stream = small_stream("domain", measure="loss")
    for number, experience in enumerate(stream.train_stream):
        image, target, _ = experience.dataset[3]
        assert torch.equal(target, image.flatten()[number : number + 2])


def test_one_seed_gives_one_stream():
    images = [small_stream(seed=seed).train_stream[0].dataset[0][0] for seed in (1, 1, 2)]
    assert torch.equal(images[0], images[1]) and not torch.equal(images[0], images[2])


def test_a_run_measures_every_experience_after_each_and_reports_it():
    stream = small_stream("task", experiences=2, samples=40)
    rows = []
    outcome = run(
        small_learner(stream, epochs=20),
        stream,
        after_experience=lambda so_far: rows.append(len(so_far.evaluation)),
    )
    assert outcome.status == "ok" and rows == [1, 2]
    assert [len(row) for row in outcome.evaluation] == [2, 2]
    assert outcome.evaluation[1][1] > 0.8, "two classes with distant centres"


def test_the_backbone_can_be_replaced_and_its_weights_depend_on_the_seed():
    stream = small_stream()
    backbone = SmallBackbone()
    assert small_learner(stream, backbone=backbone).model.backbone is backbone
    weights = [small_learner(stream, seed=seed).model.head.weight for seed in (1, 1, 2)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])
