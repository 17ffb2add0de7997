"""Split divides the classes of a data set among the experiences."""

import numpy as np
import pytest
import torch
from experiences import build, rows_of, whole

from nanocl import data
from nanocl.data.batches import MiniBatches, tensor_parts
from nanocl.streams.split import Split


def test_split_gives_every_class_to_one_experience():
    for kind in ("class", "task"):
        scenario = build(Split(), kind)
        assert sorted(c for group in scenario.classes for c in group) == list(range(10))
        assert scenario.outputs == 10
        source = data.load("digits")
        for part, labels in (("train", source.train_labels), ("test", source.test_labels)):
            stream = scenario.streams[part]
            used = rows_of(stream)
            assert sorted(row for rows in used for row in rows) == list(range(len(labels)))
            for group, rows, experience in zip(scenario.classes, used, stream, strict=True):
                assert set(labels[rows]) == set(group)
                assert torch.equal(whole(experience)[1], torch.from_numpy(labels[rows]))


def test_split_inputs_are_the_images_of_the_data_set():
    source, scenario = data.load("digits"), build(Split())
    for rows, experience in zip(rows_of(scenario.test_stream), scenario.test_stream, strict=True):
        assert torch.allclose(
            whole(experience)[0], torch.from_numpy(source.test_inputs[rows]) / 255
        )


def test_domain_incremental_targets_are_positions_within_the_experience():
    by_class, by_domain = (
        build(Split(class_order="seed"), "class", 3),
        build(Split(class_order="seed"), "domain", 3),
    )
    assert by_domain.outputs == 2 and by_domain.classes == ((0, 1),) * 5
    order = np.random.default_rng(3).permutation(10).reshape(5, 2)
    for group, a, b in zip(order, by_class.train_stream, by_domain.train_stream, strict=True):
        assert torch.equal(torch.from_numpy(group)[whole(b)[1]], whole(a)[1])


def test_the_natural_class_order_does_not_depend_on_the_seed():
    assert build(Split(class_order="natural"), seed=5).classes == (
        (0, 1),
        (2, 3),
        (4, 5),
        (6, 7),
        (8, 9),
    )
    assert len({build(Split(), seed=seed).classes for seed in range(4)}) == 4


@pytest.mark.parametrize(
    ("experiences", "sizes"), [(3, [4, 3, 3]), (4, [3, 3, 2, 2]), (10, [1] * 10), (1, [10])]
)
def test_classes_that_do_not_divide_give_sizes_that_differ_by_one(experiences, sizes):
    for kind in ("class", "domain"):
        scenario = build(Split(experiences=experiences), kind)
        assert [len(group) for group in scenario.classes] == sizes
    assert scenario.outputs == sizes[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"experiences": 0}, "experiences must be at least 1, got 0"),
        ({"class_order": "random"}, "class_order must be one of seed, natural, got 'random'"),
        ({"validation": 1.0}, r"validation must be in \[0, 1\), got 1.0"),
        ({"samples": -1}, "samples must be at least 0, got -1"),
        ({"normalise": "yes"}, "normalise must be one of none, standard, imagenet, got 'yes'"),
        ({"augment": "flip"}, "augment must be one of none, crop-flip, got 'flip'"),
        ({"pad": -2}, "pad must be in \\[0, 4096\\], got -2"),
    ],
)
def test_an_option_out_of_range_is_named_with_its_value(options, message):
    with pytest.raises(ValueError, match=message):
        Split(**options)


def test_more_experiences_than_classes_and_an_unknown_scenario_are_refused():
    with pytest.raises(
        ValueError, match="experiences must be at most the 10 classes of digits, got 11"
    ):
        build(Split(experiences=11))
    with pytest.raises(
        ValueError, match="scenario must be one of class, task, domain, got 'online'"
    ):
        build(Split(), "online")


def test_split_mnist_has_the_usual_numbers_of_digits(data_root):
    scenario = build(
        Split(data="mnist", class_order="natural", pad=2, normalise="standard"), data_root=data_root
    )
    assert [len(e.dataset) for e in scenario.train_stream] == [12665, 12089, 11263, 12183, 11800]
    assert [len(e.dataset) for e in scenario.test_stream] == [2115, 2042, 1874, 1986, 1983]
    inputs = torch.cat([whole(experience)[0] for experience in scenario.train_stream])
    assert inputs.shape == (60000, 1, 32, 32)
    assert inputs.mean().item() == pytest.approx(0, abs=1e-3)
    assert inputs.std().item() == pytest.approx(1, abs=1e-3)


def test_split_cifar_reads_colour_images_with_augmentation(data_root):
    scenario = build(
        Split(
            data="cifar10", augment="crop-flip", normalise="standard", samples=50, test_samples=20
        ),
        "domain",
        data_root=data_root,
    )
    assert scenario.inputs == (3, 32, 32) and scenario.outputs == 2
    assert [len(e.dataset) for e in scenario.train_stream] == [100] * 5
    parts = tensor_parts(scenario.train_stream[0].dataset)
    generator = torch.Generator().manual_seed(0)
    plain = torch.cat([x for x, _, _ in MiniBatches(parts, 50)])
    augmented = torch.cat([x for x, _, _ in MiniBatches(parts, 50, generator=generator)])
    assert plain.mean().abs() < 0.3 and plain.std().item() == pytest.approx(1, abs=0.2)
    assert not torch.equal(plain.sort(0).values, augmented.sort(0).values)
