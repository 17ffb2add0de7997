"""Finetuning: heads that come back, weights with their head, statistics and precision at a switch, sweeps."""

import dataclasses

import numpy as np
import pytest
import torch
from pictures import pictures, png, write_folder

from nanocl import testing
from nanocl.data.batches import MiniBatches, tensor_parts
from nanocl.models._weights import output_layer
from nanocl.models.resnet32 import ResNet32
from nanocl.models.small_cnn import SmallCNN
from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import suite
from nanocl.protocols.pinning import pin
from nanocl.protocols.request import Request
from nanocl.records import UserError
from nanocl.streams.finetune import Finetune
from nanocl.training import assembly, experiment, loop
from nanocl.training.context import Context
from nanocl.training.normalisation import statistics_of

FIRST, SECOND = ("ant", "bee", "cat"), ("dog", "elk")


@pytest.fixture
def root(tmp_path):
    """Two small image folders: `first` with 3 classes in colour, `second` with 2 in gray."""
    write_folder(tmp_path / "first", pictures(size=(8, 8), classes=FIRST, train=8, test=4))
    write_folder(
        tmp_path / "second", pictures(size=(8, 8), classes=SECOND, train=8, test=4, gray=True)
    )
    return tmp_path


def spec(root, strategy="adamw", *, datasets="first,second", model=None, training=None, **stream):
    settings = {
        "stream": {
            "datasets": datasets,
            "image_size": "8",
            **{k: str(v) for k, v in stream.items()},
        },
        "training": {"batch_size": "8", **(training or {})},
        "model": {"width": "4", **(model or {})},
    }
    request = Request(
        stream="finetune", strategies=(strategy,), seeds=(0,), model="small-cnn", settings=settings
    )
    return pin(suite.specs(request, Catalogue()), root)[0]


def weights(root, name="first.pt", *, classes=3, norm="batch"):
    """A file of weights with an output layer, as other people's checkpoints have it."""
    torch.manual_seed(5)
    backbone, head = SmallCNN((3, 8, 8), width=4, norm=norm), torch.nn.Linear(8, classes)
    for name_, value in backbone.state_dict().items():
        if name_.endswith("running_var"):  # as if it had been trained
            value.mul_(0.5)
    state = {f"module.{n}": v for n, v in backbone.state_dict().items()}
    torch.save(
        {"state_dict": state | {f"module.linear.{n}": v for n, v in head.state_dict().items()}},
        root / name,
    )
    return {"weights": name, "norm": norm}


def test_the_stream_keeps_the_contract(root):
    testing.check_stream(
        Finetune, {"datasets": "first,second,first", "image_size": 8}, data_root=root
    )
    testing.check_stream(
        Finetune,
        {"datasets": "first[0-1],second", "image_size": 8, "validation": 0.25, "samples": 8},
        data_root=root,
    )


def test_a_data_set_that_comes_twice_brings_its_head_back(root):
    learner, scenario = assembly.build(
        spec(root, datasets="first,second,first"), Context(data_root=root)
    )
    assert scenario.classes == ((0, 1, 2), (3, 4), (0, 1, 2)) and scenario.heads == (
        (0, 1, 2),
        (3, 4),
    )
    assert [e.task_label for e in scenario.train_stream] == [0, 1, 0]
    heads = learner.model.head
    assert len(heads) == 2
    first, second = (head.weight.clone() for head in heads)
    learner.train(scenario.train_stream[2], eval_streams=[])
    assert not torch.equal(heads[0].weight, first) and torch.equal(heads[1].weight, second)


def test_parts_of_a_data_set_have_heads_of_their_own_and_every_sample_of_their_classes(root):
    scenario = Finetune(datasets="first[0-0],first[1-2]", image_size=8).build(
        scenario="task", seed=0, data_root=root
    )
    assert scenario.heads == ((0,), (1, 2)) and scenario.outputs == 3
    assert [len(e.dataset) for e in scenario.train_stream] == [8, 16]
    assert [len(e.dataset) for e in scenario.test_stream] == [4, 8]


def test_a_head_has_every_class_of_its_data_set_even_where_few_samples_lack_one(root):
    scenario = Finetune(datasets="first,second", image_size=8, samples=1).build(
        scenario="task", seed=0, data_root=root
    )
    assert [len(classes) for classes in scenario.classes] == [1, 1]
    assert scenario.heads == ((0, 1, 2), (3, 4))
    learner, _ = assembly.build(
        spec(root, model=weights(root), start=1, samples=1), Context(data_root=root)
    )
    assert learner.model.head[0].out_features == 3


def test_the_subsets_depend_on_the_seed_and_the_limits_hold_for_each_data_set(root):
    def targets(seed):
        stream = Finetune(datasets="first,second", image_size=8, samples=10, test_samples=5)
        scenario = stream.build(scenario="task", seed=seed, data_root=root)
        assert [len(e.dataset) for e in (*scenario.train_stream, *scenario.test_stream)] == [
            10,
            10,
            5,
            5,
        ]
        return [np.asarray(e.dataset.targets).tolist() for e in scenario.train_stream]

    assert targets(0) == targets(0) != targets(1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"datasets": "first,second", "start": 2}, "start must be below the 2 data sets"),
        ({"datasets": "first[2"}, r"cifar10\[0-4\]; got 'first\[2'"),
        ({"datasets": "first[1-0]"}, "got 'first"),
        ({"datasets": ""}, "at least one data set"),
        (
            {"norm_statistics": "thaw"},
            "norm_statistics must be one of update, freeze, restore, got 'thaw'",
        ),
        ({"precision": "fp8"}, "precision must be one of fp32, bf16, got 'fp8'"),
    ],
)
def test_a_stream_that_makes_no_sense_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Finetune(**options)


def test_classes_that_a_data_set_has_not_are_refused(root):
    with pytest.raises(UserError, match=r"first has classes 0 to 2, got first\[1-5\]"):
        Finetune(datasets="first[1-5]", image_size=8).build(scenario="task", seed=0, data_root=root)


def test_a_known_experience_is_tested_with_the_head_of_the_file_and_not_trained(root):
    run = spec(root, "ewc+adamw", start=1, model=weights(root))
    learner, _ = assembly.build(run, Context(data_root=root))
    head = output_layer(str(root / "first.pt"))
    assert torch.equal(learner.model.head[0].weight, head["weight"])
    assert torch.equal(learner.model.head[0].bias, head["bias"])
    result = experiment.run_one(run, Context(data_root=root))
    assert result.evaluation[0] == result.initial and len(result.evaluation) == 2
    assert (
        result.drift[0].start["all"]["touched"] == 0
        and result.drift[1].start["backbone"]["touched"] > 0.5
    )
    assert (
        result.drift[1].layers["head.0.weight"][0] > 0
        or result.drift[1].start["head"]["touched"] > 0
    )
    assert result.cost.steps == 2, "16 samples of the second data set in mini-batches of 8"


def test_a_penalty_knows_the_experience_that_was_never_trained(root):
    free = experiment.run_one(
        spec(root, "adamw", start=1, model=weights(root)), Context(data_root=root)
    )
    held = spec(root, "ewc+adamw", start=1, model=weights(root))
    held = dataclasses.replace(
        held,
        strategy=(
            dataclasses.replace(
                held.strategy[0], options={**held.strategy[0].options, "strength": 1e6}
            ),
            held.strategy[1],
        ),
    )
    held = experiment.run_one(held, Context(data_root=root))
    assert held.drift[1].start["backbone"]["l2"] < free.drift[1].start["backbone"]["l2"]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({}, "needs weights with an output layer"),
        ({"classes": 7}, r"weight \(7, 8\) instead of \(3, 8\)"),
    ],
)
def test_a_known_experience_needs_a_file_with_its_head(root, model, message):
    run = spec(root, start=1, model=weights(root, **model) if model else {})
    with pytest.raises(UserError, match=message):
        assembly.check([run], Context(data_root=root))


def test_what_a_model_is_pretrained_on_must_be_what_the_stream_takes_for_known(root):
    run = spec(root, start=1, model={"norm": "batch", "pretrain": "first[0-1]"})
    with pytest.raises(
        UserError,
        match=r"datasets=first,second must be the data .* got model.pretrain=first\[0-1\]",
    ):
        assembly.build(run, Context(data_root=root))


def test_the_digest_depends_on_the_weights_and_not_on_the_folder(root, tmp_path_factory):
    here = spec(root, start=1, model=weights(root))
    assert here.model.weights and here.model.options["weights"] == "first.pt"
    given = weights(root)
    assert (
        spec(root, start=1, model={**given, "weights": str(root / "first.pt")}).digest
        == here.digest
    )
    other = tmp_path_factory.mktemp("elsewhere")
    for name in ("first", "second"):
        (other / name).symlink_to(root / name)
    assert spec(other, start=1, model=weights(other)).digest == here.digest
    state = torch.load(root / "first.pt", weights_only=True)
    state["state_dict"]["module.linear.bias"] += 1
    torch.save(state, root / "first.pt")
    assert spec(root, start=1, model=given).digest != here.digest


def test_frozen_statistics_stay_whoever_trains_and_tests(root):
    run = spec(root, "ewc+adamw", start=1, model=weights(root), norm_statistics="freeze")
    learner, scenario = assembly.build(run, Context(data_root=root))
    before = {name: value.clone() for name, value in statistics_of(learner.model).items()}
    for experience in scenario.train_stream:
        learner.train(experience, eval_streams=[])
    learner.eval(scenario.test_stream)
    after = statistics_of(learner.model)
    assert len(before) == 9 and all(torch.equal(before[name], after[name]) for name in before)


def test_restored_statistics_leave_an_old_experience_as_it_was_where_no_weight_moves(
    root, monkeypatch
):
    """With weights that stand still, all that is forgotten is statistics."""

    def old(norm_statistics):
        run = spec(root, "sgd", start=1, model=weights(root), norm_statistics=norm_statistics)
        learner, scenario = assembly.build(run, Context(data_root=root))
        learner.optimizer.param_groups[0]["lr"] = 0.0
        learner.train_epochs = 0
        learner.train(scenario.train_stream[0], eval_streams=[])
        learner.train_epochs = 1
        answers = []
        score = loop.Learner.forward
        monkeypatch.setattr(
            loop.Learner, "forward", lambda self: answers.append(score(self)) or answers[-1]
        )
        learner.eval(scenario.test_stream)
        learner.train(scenario.train_stream[1], eval_streams=[])
        answers_before, answers[:] = list(answers), []
        learner.eval(scenario.test_stream)
        monkeypatch.undo()
        return torch.equal(answers[0], answers_before[0]), torch.equal(
            answers[1], answers_before[1]
        )

    assert (
        old("update") == (False, False)
        and old("restore") == (True, False)
        and old("freeze") == (True, True)
    )


def test_a_cut_run_with_restored_statistics_goes_on_bit_for_bit(root, monkeypatch):
    run = spec(
        root, datasets="first,second,first[0-1]", model={"norm": "batch"}, norm_statistics="restore"
    )
    whole = experiment.run_one(run, Context(data_root=root))
    save = experiment.checkpoint.save

    def save_then_die(path, learner, meter, drift, outcome):
        save(path, learner, meter, drift, outcome)
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment.checkpoint, "save", save_then_die)
    with pytest.raises(KeyboardInterrupt):
        experiment.run_one(run, Context(data_root=root, checkpoints=root))
    monkeypatch.setattr(experiment.checkpoint, "save", save)
    again = experiment.run_one(run, Context(data_root=root, checkpoints=root))
    assert (again.evaluation, again.drift) == (whole.evaluation, whole.drift)


def test_weights_of_half_precision_are_trained_as_such_and_answer_in_float32(root):
    learner, scenario = assembly.build(
        spec(root, "nanoadam", model={"norm": "batch"}, precision="bf16"), Context(data_root=root)
    )
    learner.train(scenario.train_stream[0], eval_streams=[])
    assert {p.dtype for p in learner.model.parameters()} == {torch.bfloat16}
    answers = learner.model(torch.rand(2, 3, 8, 8), torch.zeros(2, dtype=torch.int64))
    assert answers.dtype == torch.float32
    result = experiment.run_one(
        spec(root, "nanoadam", model={"norm": "batch"}, precision="bf16"), Context(data_root=root)
    )
    assert result.status == "ok" and result.drift[0].start["backbone"]["l2"] > 0


def test_a_backbone_is_pretrained_once_by_its_recipe_and_brings_its_head(root):
    colours = np.eye(3) * 200 + 25
    pixels = np.random.default_rng(0).integers(0, 25, (8, 8, 8, 3))
    write_folder(
        root / "plain",
        {
            f"{part}/{label}/{number}.png": png((pixels[number] + colours[label]).astype("uint8"))
            for part in ("train", "test")
            for label in range(3)
            for number in range(8)
        },
    )
    recipe = {
        "norm": "batch",
        "pretrain": "plain",
        "pretrain_epochs": "12",
        "pretrain_batch_size": "8",
    }
    run = spec(root, datasets="plain,second", start=1, model=recipe)
    assert run.model.options["pretrain_lr"] == 0.1 and run.model.pretrained_on, (
        "the whole recipe is in the spec"
    )
    first, scenario = assembly.build(run, Context(data_root=root))
    (file,) = (root / ".nanocl").glob("pretrained-*")
    made = file.stat().st_mtime_ns
    second, _ = assembly.build(
        spec(root, "sgd", datasets="plain,second", start=1, model=recipe), Context(data_root=root)
    )
    assert file.stat().st_mtime_ns == made
    assert torch.equal(first.model.head[0].weight, second.model.head[0].weight)
    file.unlink()
    third, _ = assembly.build(run, Context(data_root=root))
    for a, b in zip(
        first.model.backbone.parameters(), third.model.backbone.parameters(), strict=True
    ):
        assert torch.equal(a, b), "trained twice, the same bits"
    longer = spec(root, datasets="plain,second", start=1, model={**recipe, "pretrain_epochs": "13"})
    assert longer.digest != run.digest
    inputs, targets, labels = next(
        iter(MiniBatches(tensor_parts(scenario.test_stream[0].dataset), 24))
    )
    right = (first.model.eval()(inputs, labels).argmax(1) == targets).float().mean()
    assert right > 0.9, "a red, a green and a blue class"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"pretrain_epochs": "3"}, "model.pretrain_epochs needs model.pretrain=DATASET"),
        (
            {"pretrain": "first", "weights": "x.pt"},
            "needs a model that can start from weights, with none given",
        ),
        ({"pretrain": "first", "pretrain_epochs": "0"}, "must be above 0"),
        ({"pretrain": "first", "pretrain_epochs": "many"}, "pretrain_epochs must be of type int"),
    ],
)
def test_a_pretraining_that_makes_no_sense_is_refused(root, model, message):
    with pytest.raises(UserError, match=message):
        spec(root, model=model)


def test_an_option_that_is_only_called_alike_stays_the_models_own(root):
    options = {"stream": {"datasets": "first", "image_size": "32"}}
    run = suite.specs(
        Request(stream="finetune", seeds=(0,), model="torchvision:squeezenet1_1", settings=options),
        Catalogue(),
    )[0]
    assert run.model.options["pretrained"] is False
    assembly.build(run, Context(data_root=root))


def test_no_option_of_pretraining_enters_a_spec_that_has_none(root):
    assert set(spec(root).model.options) == {"width", "norm", "weights"}


def test_the_public_resnet_20_reaches_what_was_published(data_root):
    name = "weights/cifar10_resnets/resnet20-12fca82f.th"
    if not (data_root / name).is_file():
        pytest.skip(f"{name} is not in the data folder")
    scenario = Finetune(datasets="cifar10", samples=10, test_samples=1000).build(
        scenario="task", seed=0, data_root=data_root
    )
    backbone, head = (
        ResNet32((3, 32, 32), depth=20, weights=str(data_root / name)).eval(),
        output_layer(str(data_root / name)),
    )
    part = scenario.test_stream[0].dataset
    right = 0
    with torch.no_grad():
        for inputs, targets, _ in MiniBatches(tensor_parts(part), 100):
            right += int(
                (torch.nn.functional.linear(backbone(inputs), **head).argmax(1) == targets).sum()
            )
    assert abs(right / 1000 - 0.9173) < 0.01


def test_the_dense_layers_of_adamw_dense_have_a_learning_rate_of_their_own(root):
    """Its first step is of the size lr everywhere, as Adam's is; the dense layers take dense_lr instead."""
    run = spec(root, "adamw-dense", datasets="first", model={"norm": "batch"})
    options = {**run.strategy[0].options, "lr": 1e-4, "dense_lr": 1e-2, "weight_decay": 0.0}
    run = dataclasses.replace(
        run,
        strategy=(dataclasses.replace(run.strategy[0], options=options),),
        training=dataclasses.replace(run.training, batch_size=24),
    )
    learner, scenario = assembly.build(run, Context(data_root=root))
    before = {name: p.detach().clone() for name, p in learner.model.named_parameters()}
    learner.train(scenario.train_stream[0], eval_streams=[])
    for name, p in learner.model.named_parameters():
        largest = float((p - before[name]).abs().max())
        dense = "norm" in name or name.startswith("head")
        assert largest == pytest.approx(1e-2 if dense else 1e-4, rel=0.01), name
