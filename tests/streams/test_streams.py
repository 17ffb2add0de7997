"""Streams hand out the right samples, the same for one seed, to any Avalanche learner."""

from collections import Counter

import numpy as np
import pytest
import torch
from avalanche.models import MTSimpleMLP, SimpleMLP
from avalanche.training.supervised import Naive
from PIL import Image
from torch import nn

from nanocl import data
from nanocl.data.batches import MiniBatches, tensor_parts
from nanocl.data.teachers import answers, draw_inputs, draw_teacher
from nanocl.models.student import Student
from nanocl.streams._images import PUBLISHED, draw, measured, padded
from nanocl.streams.permuted import Permuted
from nanocl.streams.rotated import Rotated, rotation
from nanocl.streams.split import Split
from nanocl.streams.teacher_student import TeacherStudent
from nanocl.training.heads import Network

STREAMS = {
    "split": Split(validation=0.2),
    "permuted": Permuted(data="digits", experiences=3, validation=0.2),
    "rotated": Rotated(data="digits", experiences=3, angles="seed", validation=0.2),
    "teacher-student": TeacherStudent(samples=30, test_samples=20),
}
KINDS = [(name, kind) for name, stream in STREAMS.items() for kind in stream.scenarios]


def build(stream, kind="class", seed=0, root=None):
    return stream.build(scenario=kind, seed=seed, data_root=root)


def whole(experience):
    """All inputs and targets of an experience, in order, as its learner sees them."""
    inputs, targets, _ = zip(*MiniBatches(tensor_parts(experience.dataset), 10_000), strict=True)
    return torch.cat(inputs), torch.cat(targets)


def rows_of(stream):
    """Row numbers of the data set that each experience of a stream uses."""
    return [
        [row for dataset, kept in tensor_parts(e.dataset) for row in dataset.rows[kept].tolist()]
        for e in stream
    ]


def both(scenario, number):
    """Training and test images of an experience, flattened."""
    return torch.cat(
        [whole(stream[number])[0] for stream in (scenario.train_stream, scenario.test_stream)]
    ).flatten(1)


def classes_of(experience):
    return sorted(set(whole(experience)[1].tolist()))


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_one_seed_gives_one_stream_whatever_the_global_random_state(name, kind):
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
def test_a_scenario_says_what_a_learner_must_know(name, kind):
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


def test_split_takes_classes_in_their_natural_order_when_asked():
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


def test_drawing_is_refused_where_a_class_could_not_be_split():
    with pytest.raises(ValueError, match=r"validation .* got 0.1 of 3 samples of class 4"):
        draw(np.array([4, 4, 4]), 0, 0.1, seed=(0, 1))
    with pytest.raises(ValueError, match=r"validation .* got 0.9 of 3 samples"):
        draw(np.array([4, 4, 4]), 0, 0.9, seed=(0, 1))


@pytest.mark.parametrize(
    ("stream", "options", "message"),
    [
        (Split, {"experiences": 0}, "experiences must be at least 1, got 0"),
        (
            Split,
            {"class_order": "random"},
            "class_order must be one of seed, natural, got 'random'",
        ),
        (Split, {"validation": 1.0}, r"validation must be in \[0, 1\), got 1.0"),
        (Split, {"samples": -1}, "samples must be at least 0, got -1"),
        (
            Split,
            {"normalise": "yes"},
            "normalise must be one of none, standard, imagenet, got 'yes'",
        ),
        (Split, {"augment": "flip"}, "augment must be one of none, crop-flip, got 'flip'"),
        (Split, {"pad": -2}, "pad must be at least 0, got -2"),
        (Permuted, {"first": "none"}, "first must be one of identity, random, got 'none'"),
        (Rotated, {"max_angle": 360.0}, r"max_angle must be in \(0, 360\) degrees, got 360.0"),
        (Rotated, {"experiences": 1}, "experiences must be at least 2, got 1"),
        (Rotated, {"angles": "odd"}, "angles must be one of even, seed, got 'odd'"),
        (TeacherStudent, {"extra": -1}, "extra must be at least 0, got -1"),
        (TeacherStudent, {"samples": 0}, "samples must be at least 1, got 0"),
    ],
)
def test_an_option_out_of_range_is_named_with_its_value(stream, options, message):
    with pytest.raises(ValueError, match=message):
        stream(**options)


def test_what_does_not_fit_the_data_or_the_stream_is_refused():
    with pytest.raises(
        ValueError, match="experiences must be at most the 10 classes of digits, got 11"
    ):
        build(Split(experiences=11))
    with pytest.raises(
        ValueError, match="scenario must be one of class, task, domain, got 'online'"
    ):
        build(Split(), "online")
    with pytest.raises(
        ValueError, match="scenario must be domain for a regression stream, got 'class'"
    ):
        build(TeacherStudent(), "class")


@pytest.mark.parametrize("first", ["identity", "random"])
def test_permuted_moves_the_pixels_of_all_images_alike(first):
    scenario = build(Permuted(data="digits", experiences=3, first=first, pad=1), "domain")
    plain = both(build(Split(experiences=1, pad=1)), 0)
    orders = set()
    for number in range(3):
        images = both(scenario, number)
        # the values that a pixel shows over all images tell where it was read from
        order = [int((plain == column[:, None]).all(0).nonzero()[0]) for column in images.T]
        assert torch.equal(images, plain[:, order])
        assert torch.equal(images.sort(1).values, plain.sort(1).values)
        orders.add(tuple(order))
    assert len(orders) == 3
    assert torch.equal(both(scenario, 0), plain) == (first == "identity")


@pytest.mark.parametrize("stream", ["permuted", "rotated"])
def test_repeated_images_bring_classes_of_their_own_unless_the_domain_changes(stream):
    by_domain, by_task = (build(STREAMS[stream], kind) for kind in ("domain", "task"))
    assert by_domain.outputs == 10 and by_task.outputs == 30
    assert by_task.classes == tuple(tuple(range(10 * i, 10 * i + 10)) for i in range(3))
    for i, (a, b) in enumerate(zip(by_domain.train_stream, by_task.train_stream, strict=True)):
        assert torch.equal(whole(a)[1] + 10 * i, whole(b)[1])
        assert torch.equal(whole(a)[0], whole(b)[0])


@pytest.mark.parametrize("angle", [0, 17, 45, 90, 133, 180, 270, 359])
def test_rotation_agrees_with_pillow(angle):
    image = np.random.default_rng(0).integers(1, 256, (28, 28), dtype=np.uint8)
    order = rotation(28, 28, angle).numpy()
    turned = np.where(order >= 0, image.flatten()[order], 0).reshape(28, 28)
    expected = np.asarray(Image.fromarray(image).rotate(angle))
    # Pillow's fixed-point arithmetic may take the neighbour where a point lies between two pixels
    assert (turned == expected).mean() > 0.99
    if angle % 90 == 0:
        assert (turned == np.rot90(image, angle // 90)).all()


def test_rotation_of_a_wide_image_by_half_a_turn_reverses_it():
    assert rotation(3, 5, 180).tolist() == list(range(14, -1, -1))


def test_angles_are_even_or_one_from_each_equal_part():
    assert Rotated(experiences=5, max_angle=180.0).degrees(0) == [0, 45, 90, 135, 180]
    stream = Rotated(experiences=6, max_angle=90.0, angles="seed")
    for seed in range(20):
        assert [int(angle // 15) for angle in stream.degrees(seed)] == list(range(6))
    assert stream.degrees(0) != stream.degrees(1)


def test_teachers_answer_as_a_loop_over_neurons_does():
    generator = np.random.default_rng(0)
    teachers = [draw_teacher(generator, 3, 4) for _ in range(2)]
    inputs = draw_inputs(generator, 5, 4)
    signs, directions = (np.stack(arrays) for arrays in zip(*teachers, strict=True))
    batched = answers(np.stack([inputs, inputs]), signs, directions)
    for number, (a, w) in enumerate(teachers):
        assert set(np.abs(a)) == {1.0}
        assert np.linalg.norm(w, axis=1) == pytest.approx(1)
        for x, answer in zip(inputs, batched[number], strict=True):
            assert answer == pytest.approx(sum(a[i] * max(0.0, w[i] @ x) for i in range(3)))


def test_teacher_b_is_teacher_a_with_one_neuron_of_unit_length():
    for seed in range(5):
        scenario = build(TeacherStudent(dimension=3, samples=200, extra=1), "domain", seed)
        (x, old), (same, new) = map(whole, scenario.train_stream)
        assert torch.equal(x, same)
        difference = (new - old).squeeze(1)
        active = difference.abs() > 1e-5
        weights = torch.linalg.lstsq(x[active], difference[active, None]).solution.squeeze(1)
        assert weights.norm().item() == pytest.approx(1, abs=1e-3)
        assert torch.allclose(x[active] @ weights, difference[active], atol=1e-4)
        assert 60 < active.sum() < 140


def test_inputs_and_teacher_a_do_not_depend_on_the_extra_neurons():
    few, many = (build(TeacherStudent(extra=extra), "domain", 1) for extra in (0, 4))
    assert all(
        torch.equal(a, b)
        for a, b in zip(whole(few.train_stream[0]), whole(many.train_stream[0]), strict=True)
    )
    assert all(torch.equal(a, b) for a, b in zip(*map(whole, few.train_stream), strict=True))
    assert not torch.equal(*(whole(experience)[1] for experience in many.train_stream))
    assert few.measure == "loss" and few.outputs == 1 and few.classes == ((), ())


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


def test_avalanche_trains_the_student_on_its_teachers():
    torch.manual_seed(0)
    scenario = build(TeacherStudent(samples=100), "domain")
    model = Network(Student(scenario.inputs), outputs=1)
    learner = Naive(
        model,
        torch.optim.Adam(model.parameters(), 0.01),
        nn.MSELoss(),
        train_mb_size=25,
        train_epochs=50,
        eval_mb_size=1000,
        evaluator=None,
    )
    learner.train(scenario.train_stream[0])
    (x, old), (_, new) = map(whole, scenario.test_stream)
    with torch.no_grad():
        loss = nn.functional.mse_loss(model(x), old)
    assert loss < 0.05 * old.square().mean() and loss < nn.functional.mse_loss(old, new)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_statistics_are_those_of_the_training_images(data_root, name):
    try:
        images = data.load(name, data_root, download=False).train_inputs
    except data.DataMissing as missing:
        pytest.skip(str(missing))
    mean, deviation = measured(images)
    # wide enough for copies whose pixels went through a lossy format
    assert mean == pytest.approx(PUBLISHED[name][0], abs=4e-3)
    assert deviation == pytest.approx(PUBLISHED[name][1], abs=4e-3)


def test_split_mnist_has_the_digits_everybody_trains_on(data_root):
    scenario = build(
        Split(data="mnist", class_order="natural", pad=2, normalise="standard"), root=data_root
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
        root=data_root,
    )
    assert scenario.inputs == (3, 32, 32) and scenario.outputs == 2
    assert [len(e.dataset) for e in scenario.train_stream] == [100] * 5
    parts = tensor_parts(scenario.train_stream[0].dataset)
    plain, augmented = (
        torch.cat([x for x, _, _ in MiniBatches(parts, 50, generator=g)])
        for g in (None, torch.Generator().manual_seed(0))
    )
    assert plain.mean().abs() < 0.3 and plain.std().item() == pytest.approx(1, abs=0.2)
    assert not torch.equal(plain.sort(0).values, augmented.sort(0).values)
