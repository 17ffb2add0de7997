"""LoRA as a strategy: what it trains, what it leaves, and what the instruments see."""

import pytest
import torch
from torch import nn

from nanocl.strategies.ewc import EWC
from nanocl.strategies.lora import LoRA
from nanocl.testing import SmallBackbone, run, small_learner, small_stream
from nanocl.training.heads import Network


@pytest.mark.parametrize(
    ("dense", "frozen"),
    [
        ("head", {"backbone.1.bias", "backbone.2.weight", "backbone.2.bias"}),
        ("norms+head", {"backbone.1.bias"}),
        (
            "none",
            {"backbone.1.bias", "backbone.2.weight", "backbone.2.bias", "head.weight", "head.bias"},
        ),
    ],
)
@pytest.mark.parametrize("scenario", ["class", "domain"])
def test_layers_get_adapters_and_all_but_the_dense_ones_keep_every_bit(dense, frozen, scenario):
    stream = small_stream(scenario)
    learner = small_learner(stream, [LoRA(lr=0.01, rank=2, dense=dense)])
    start = {name: p.detach().clone() for name, p in learner.model.named_parameters()}
    run(learner, stream)
    assert {
        name for name, p in learner.model.named_parameters() if torch.equal(p, start[name])
    } == frozen
    change = (learner.model.backbone[1].weight - start["backbone.1.weight"]).detach()
    values = torch.linalg.svdvals(change.double())
    assert values[1] > 1e-3 and values[2] < 1e-5 * values[0] + 1e-6


def test_drift_is_that_of_the_merged_weights():
    stream = small_stream()
    learner = small_learner(stream, [LoRA(lr=0.01, rank=2)])
    start = learner.model.backbone[1].weight.detach().clone()
    drift = run(learner, stream).drift[-1]
    moved = (learner.model.backbone[1].weight.detach() - start).double().norm().item()
    assert drift.start["backbone"]["l2"] == pytest.approx(moved, rel=1e-9)
    assert set(drift.layers) == {name for name, _ in learner.model.named_parameters()}


def test_resetting_the_optimizers_state_merges_and_begins_new_adapters():
    stream = small_stream()
    learner = small_learner(stream, [LoRA(lr=0.02, rank=1)])
    learner.training = type(learner.training)(
        **{**vars(learner.training), "optimizer_state": "reset"}
    )
    start = learner.model.backbone[1].weight.detach().clone()
    for experience in stream.train_stream:
        learner.train(experience, eval_streams=[])
    values = torch.linalg.svdvals((learner.model.backbone[1].weight.detach() - start).double())
    assert values[2] > 1e-3 and values[3] < 1e-5 * values[0]


def test_it_composes_with_a_penalty_on_the_weights():
    stream = small_stream()
    plain = run(small_learner(stream, [LoRA(lr=0.02)]), stream).drift[-1].previous["backbone"]["l2"]
    held = (
        run(small_learner(stream, [EWC(strength=1e4), LoRA(lr=0.02)]), stream)
        .drift[-1]
        .previous["backbone"]["l2"]
    )
    assert held < 0.8 * plain


def test_convolutions_get_adapters_and_every_parameter_is_in_one_group():
    class Backbone(nn.Sequential):
        features = 4

        def __init__(self):
            super().__init__(
                nn.Conv2d(1, 4, 3, padding=1),
                nn.BatchNorm2d(4),
                nn.Conv2d(4, 4, 3, groups=4),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
            )

    network = Network(Backbone(), outputs=4, kind="own", classes=((0, 1), (2, 3)))
    optimizer = LoRA(rank=3, dense_lr=0.5).make_optimizer(network)
    adapted, frozen, head = optimizer.param_groups
    assert {id(p) for p in adapted["params"]} == {
        id(network.backbone[0].weight),
        id(network.backbone[2].weight),
    }
    assert (adapted["rank"], frozen["rank"], head["rank"], head["lr"]) == (3, 0, None, 0.5)
    assert sorted(id(p) for group in optimizer.param_groups for p in group["params"]) == sorted(
        map(id, network.parameters())
    )


def test_a_model_without_a_layer_to_adapt_is_an_error():
    class Flat(nn.Flatten):
        features = 16

    with pytest.raises(
        ValueError,
        match="lora needs a model with a linear or convolutional layer before its output",
    ):
        LoRA().make_optimizer(Network(Flat(), outputs=4))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": 0}, r"rank must be at least 1, got 0"),
        ({"alpha": 0.0}, r"alpha must be in \(0, inf\), got 0.0"),
        ({"dense": "all"}, "dense must be one of .*'all'"),
        ({"seed": -1}, "seed must be .*-1"),
        ({"lr": 0.0}, r"lr must be in \(0, inf\), got 0.0"),
    ],
)
def test_an_option_out_of_range_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        LoRA(**options)


def test_its_network_keeps_the_names_of_its_parameters():
    network = Network(SmallBackbone(), outputs=4)
    before = list(network.state_dict())
    LoRA().make_optimizer(network)
    assert list(network.state_dict()) == before
