"""The options that all image streams share: which samples, normalised how."""

from collections import Counter

import numpy as np
import pytest
import torch
from experiences import build, rows_of, whole
from real_data import missing

from nanocl import data
from nanocl.streams._images import PUBLISHED, measured, padded
from nanocl.streams.split import Split


@pytest.mark.parametrize("stream", [Split(validation=0.25), Split(validation=0.25, samples=40)])
def test_validation_is_a_share_of_each_class_of_the_training_data(stream):
    scenario = build(stream)
    plain = build(Split(samples=stream.selection.samples))
    labels = data.load("digits").train_labels
    for train, validation, both in zip(
        *map(rows_of, (scenario.train_stream, scenario.validation_stream, plain.train_stream)),
        strict=True,
    ):
        assert not set(train) & set(validation)
        assert sorted(train + validation) == both
        for label, count in Counter(labels[both].tolist()).items():
            assert abs(sum(labels[validation] == label) - count / 4) <= 0.5
    assert rows_of(scenario.test_stream) == rows_of(plain.test_stream)
    assert not hasattr(plain, "validation_stream")


def test_samples_limits_each_class_of_training_and_test_data_apart():
    scenario = build(Split(samples=9, test_samples=4))
    for stream, most in ((scenario.train_stream, 9), (scenario.test_stream, 4)):
        counts = Counter(label for experience in stream for label in whole(experience)[1].tolist())
        assert counts == dict.fromkeys(range(10), most)


def test_standard_inputs_have_mean_zero_and_unit_variance():
    for pad in (0, 2):
        scenario = build(Split(normalise="standard", pad=pad, experiences=1))
        values = whole(scenario.train_stream[0])[0].double()
        assert scenario.inputs == (1, 8 + 2 * pad, 8 + 2 * pad)
        assert values.mean().item() == pytest.approx(0, abs=1e-5)
        assert values.var(unbiased=False).item() == pytest.approx(1, abs=1e-5)


def test_statistics_agree_with_numpy_on_colour_images():
    images = np.random.default_rng(0).integers(0, 256, (50, 3, 9, 9), dtype=np.uint8)
    mean, deviation = measured(images)
    assert mean == pytest.approx((images / 255).mean((0, 2, 3)))
    assert deviation == pytest.approx((images / 255).std((0, 2, 3)))


def test_padded_mnist_statistics_are_those_of_hsu():
    mean, deviation = padded(*PUBLISHED["mnist"], filled=(28 / 32) ** 2)
    assert mean + deviation == pytest.approx((0.1000, 0.2752), abs=1e-4)


def test_imagenet_normalisation_uses_the_constants_of_pretrained_networks():
    values = whole(build(Split(experiences=1)).test_stream[0])[0]
    normalised = whole(build(Split(experiences=1, normalise="imagenet")).test_stream[0])[0]
    grey = ((0.485 + 0.456 + 0.406) / 3, (0.229 + 0.224 + 0.225) / 3)
    assert torch.allclose(normalised, (values - grey[0]) / grey[1], atol=1e-5)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_statistics_are_those_of_the_training_images(data_root, name):
    try:
        images = data.load(name, data_root, download=False).train_inputs
    except data.DataMissing as error:
        missing(str(error))
    mean, deviation = measured(images)
    # wide enough for copies whose pixels went through a lossy format
    assert mean == pytest.approx(PUBLISHED[name][0], abs=4e-3)
    assert deviation == pytest.approx(PUBLISHED[name][1], abs=4e-3)
