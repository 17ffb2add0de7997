"""A backbone that is pretrained on a data set before the stream."""

import numpy as np
import pytest
import torch
from finetuning import spec
from pictures import png, write_folder

from nanocl.data.batches import MiniBatches, tensor_parts
from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import suite
from nanocl.protocols.request import Request
from nanocl.records import UserError
from nanocl.training import assembly
from nanocl.training.context import Context


def test_the_data_of_pretraining_must_be_those_of_the_start_experience(pictures_root):
    run = spec(pictures_root, start=1, model={"norm": "batch", "pretrain": "first[0-1]"})
    with pytest.raises(
        UserError,
        match=r"datasets=first,second must be the data .* got model.pretrain=first\[0-1\]",
    ):
        assembly.build(run, Context(data_root=pictures_root))


def test_a_backbone_is_pretrained_once_per_setting_together_with_its_head(pictures_root):
    colours = np.eye(3) * 200 + 25
    pixels = np.random.default_rng(0).integers(0, 25, (8, 8, 8, 3))
    write_folder(
        pictures_root / "plain",
        {
            f"{part}/{label}/{number}.png": png((pixels[number] + colours[label]).astype("uint8"))
            for part in ("train", "test")
            for label in range(3)
            for number in range(8)
        },
    )
    pretraining = {
        "norm": "batch",
        "pretrain": "plain",
        "pretrain_epochs": "12",
        "pretrain_batch_size": "8",
    }
    run = spec(pictures_root, datasets="plain,second", start=1, model=pretraining)
    assert run.model.options["pretrain_lr"] == 0.1 and run.model.pretrained_on, (
        "the whole pretraining is in the spec"
    )
    first, scenario = assembly.build(run, Context(data_root=pictures_root))
    (file,) = (pictures_root / ".nanocl").glob("pretrained-*")
    made = file.stat().st_mtime_ns
    second, _ = assembly.build(
        spec(pictures_root, "sgd", datasets="plain,second", start=1, model=pretraining),
        Context(data_root=pictures_root),
    )
    assert file.stat().st_mtime_ns == made
    assert torch.equal(first.model.head[0].weight, second.model.head[0].weight)
    file.unlink()
    third, _ = assembly.build(run, Context(data_root=pictures_root))
    for a, b in zip(
        first.model.backbone.parameters(), third.model.backbone.parameters(), strict=True
    ):
        assert torch.equal(a, b), "trained twice, the same bits"
    longer = spec(
        pictures_root,
        datasets="plain,second",
        start=1,
        model={**pretraining, "pretrain_epochs": "13"},
    )
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
def test_an_invalid_option_of_pretraining_is_refused(pictures_root, model, message):
    with pytest.raises(UserError, match=message):
        spec(pictures_root, model=model)


def test_pretrained_stays_an_option_of_the_model(pictures_root):
    options = {"stream": {"datasets": "first", "image_size": "32"}}
    run = suite.specs(
        Request(stream="finetune", seeds=(0,), model="torchvision:squeezenet1_1", settings=options),
        Catalogue(),
    )[0]
    assert run.model.options["pretrained"] is False
    assembly.build(run, Context(data_root=pictures_root))


def test_a_spec_without_pretraining_has_no_option_of_it(pictures_root):
    assert set(spec(pictures_root).model.options) == {"width", "norm", "weights"}
