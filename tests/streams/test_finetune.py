"""Fine-tuning on data sets in order: heads, subsets and learning rates."""

import dataclasses

import numpy as np
import pytest
import torch
from finetuning import spec, weights

from nanocl import testing
from nanocl.records import UserError
from nanocl.streams.finetune import Finetune
from nanocl.training import assembly
from nanocl.training.context import Context


def test_the_stream_keeps_the_contract(pictures_root):
    testing.check_stream(
        Finetune, {"datasets": "first,second,first", "image_size": 8}, data_root=pictures_root
    )
    testing.check_stream(
        Finetune,
        {"datasets": "first[0-1],second", "image_size": 8, "validation": 0.25, "samples": 8},
        data_root=pictures_root,
    )


def test_a_repeated_data_set_reuses_its_head(pictures_root):
    learner, scenario = assembly.build(
        spec(pictures_root, datasets="first,second,first"), Context(data_root=pictures_root)
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


def test_parts_of_a_data_set_have_their_own_heads_and_every_sample_of_their_classes(pictures_root):
    scenario = Finetune(datasets="first[0-0],first[1-2]", image_size=8).build(
        scenario="task", seed=0, data_root=pictures_root
    )
    assert scenario.heads == ((0,), (1, 2)) and scenario.outputs == 3
    assert [len(e.dataset) for e in scenario.train_stream] == [8, 16]
    assert [len(e.dataset) for e in scenario.test_stream] == [4, 8]


def test_a_head_has_every_class_of_its_data_set_even_if_a_small_sample_lacks_one(pictures_root):
    scenario = Finetune(datasets="first,second", image_size=8, samples=1).build(
        scenario="task", seed=0, data_root=pictures_root
    )
    assert [len(classes) for classes in scenario.classes] == [1, 1]
    assert scenario.heads == ((0, 1, 2), (3, 4))
    learner, _ = assembly.build(
        spec(pictures_root, model=weights(pictures_root), start=1, samples=1),
        Context(data_root=pictures_root),
    )
    assert learner.model.head[0].out_features == 3


def test_the_subsets_depend_on_the_seed_and_the_limits_hold_for_each_data_set(pictures_root):
    def targets(seed):
        stream = Finetune(datasets="first,second", image_size=8, samples=10, test_samples=5)
        scenario = stream.build(scenario="task", seed=seed, data_root=pictures_root)
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
        ({"datasets": "first[2"}, r"cifar10\[0-4\] .*; got 'first\[2'"),
        ({"datasets": "first[1-0]"}, "got 'first"),
        ({"datasets": ""}, "at least one data set"),
        (
            {"norm_statistics": "thaw"},
            "norm_statistics must be one of update, freeze, restore, got 'thaw'",
        ),
        ({"precision": "fp8"}, "precision must be one of fp32, bf16, got 'fp8'"),
    ],
)
def test_an_invalid_option_is_named_with_its_value(options, message):
    with pytest.raises(ValueError, match=message):
        Finetune(**options)


def test_classes_that_a_data_set_lacks_are_refused(pictures_root):
    with pytest.raises(UserError, match=r"first has classes 0 to 2, got first\[1-5\]"):
        Finetune(datasets="first[1-5]", image_size=8).build(
            scenario="task", seed=0, data_root=pictures_root
        )


def test_the_dense_layers_of_adamw_dense_have_their_own_learning_rate(pictures_root):
    """Like Adam's, its first step has size lr everywhere; dense layers use dense_lr instead."""
    run = spec(pictures_root, "adamw-dense", datasets="first", model={"norm": "batch"})
    options = {**run.strategy[0].options, "lr": 1e-4, "dense_lr": 1e-2, "weight_decay": 0.0}
    run = dataclasses.replace(
        run,
        strategy=(dataclasses.replace(run.strategy[0], options=options),),
        training=dataclasses.replace(run.training, batch_size=24),
    )
    learner, scenario = assembly.build(run, Context(data_root=pictures_root))
    before = {name: p.detach().clone() for name, p in learner.model.named_parameters()}
    learner.train(scenario.train_stream[0], eval_streams=[])
    for name, p in learner.model.named_parameters():
        largest = float((p - before[name]).abs().max())
        dense = "norm" in name or name.startswith("head")
        assert largest == pytest.approx(1e-2 if dense else 1e-4, rel=0.01), name
