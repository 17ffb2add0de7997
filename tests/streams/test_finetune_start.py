"""Experiences at the start that are tested and not trained, with the head of a file."""

import dataclasses

import pytest
import torch
from finetuning import spec, weights
from real_data import missing

from nanocl.data.batches import MiniBatches, tensor_parts
from nanocl.models._weights import output_layer
from nanocl.models.resnet32 import ResNet32
from nanocl.records import UserError
from nanocl.streams.finetune import Finetune
from nanocl.training import assembly, experiment
from nanocl.training.context import Context


def test_a_start_experience_is_tested_with_the_head_of_the_file_and_not_trained(pictures_root):
    run = spec(pictures_root, "ewc+adamw", start=1, model=weights(pictures_root))
    learner, _ = assembly.build(run, Context(data_root=pictures_root))
    head = output_layer(str(pictures_root / "first.pt"))
    assert torch.equal(learner.model.head[0].weight, head["weight"])
    assert torch.equal(learner.model.head[0].bias, head["bias"])
    result = experiment.run_one(run, Context(data_root=pictures_root))
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


def test_a_start_experience_is_tested_on_held_out_data_after_training_only(pictures_root):
    run = spec(pictures_root, "adamw", start=1, model=weights(pictures_root), validation=0.25)
    result = experiment.run_one(run, Context(data_root=pictures_root))
    first, last = result.validation
    assert first == (None, None) and None not in last
    assert len(result.evaluation) == 2 and None not in result.evaluation[0]


def test_a_penalty_protects_the_start_experience_too(pictures_root):
    free = experiment.run_one(
        spec(pictures_root, "adamw", start=1, model=weights(pictures_root)),
        Context(data_root=pictures_root),
    )
    held = spec(pictures_root, "ewc+adamw", start=1, model=weights(pictures_root))
    held = dataclasses.replace(
        held,
        strategy=(
            dataclasses.replace(
                held.strategy[0], options={**held.strategy[0].options, "strength": 1e6}
            ),
            held.strategy[1],
        ),
    )
    held = experiment.run_one(held, Context(data_root=pictures_root))
    assert held.drift[1].start["backbone"]["l2"] < free.drift[1].start["backbone"]["l2"]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({}, "needs weights with an output layer"),
        ({"classes": 7}, r"weight \(7, 8\) instead of \(3, 8\)"),
    ],
)
def test_a_start_experience_needs_a_file_with_its_head(pictures_root, model, message):
    run = spec(pictures_root, start=1, model=weights(pictures_root, **model) if model else {})
    with pytest.raises(UserError, match=message):
        assembly.check([run], Context(data_root=pictures_root))


def test_the_digest_depends_on_the_weights_and_not_on_the_folder(pictures_root, tmp_path_factory):
    here = spec(pictures_root, start=1, model=weights(pictures_root))
    assert here.model.weights and here.model.options["weights"] == "first.pt"
    model = weights(pictures_root)
    assert (
        spec(
            pictures_root, start=1, model={**model, "weights": str(pictures_root / "first.pt")}
        ).digest
        == here.digest
    )
    other = tmp_path_factory.mktemp("elsewhere")
    for name in ("first", "second"):
        (other / name).symlink_to(pictures_root / name)
    assert spec(other, start=1, model=weights(other)).digest == here.digest
    state = torch.load(pictures_root / "first.pt", weights_only=True)
    state["state_dict"]["module.linear.bias"] += 1
    torch.save(state, pictures_root / "first.pt")
    assert spec(pictures_root, start=1, model=model).digest != here.digest


def test_the_public_resnet_20_reaches_its_published_accuracy(data_root):
    name = "weights/cifar10_resnets/resnet20-12fca82f.th"
    if not (data_root / name).is_file():
        missing(f"{name} in the data folder")
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
