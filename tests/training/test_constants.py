"""What changes in training and no checkpoint holds is named."""

import pytest
import torch
from torch import nn

from nanocl.testing import small_learner, small_stream
from nanocl.training.constants import changed, constants_of


def hook(*arguments):
    pass


class Counting(nn.Linear):
    """A layer with an attribute of its own."""

    calls = 0

    def __init__(self):
        super().__init__(16, 12)
        self.calls = 0


CHANGES = {
    "the hooks of backbone": lambda learner: learner.model.backbone.register_forward_hook(hook),
    "the hooks of backbone.1.weight": lambda learner: learner.model.backbone[
        1
    ].weight.register_hook(hook),
    "backbone.2.momentum": lambda learner: setattr(learner.model.backbone[2], "momentum", 0.5),
    "the criterion": lambda learner: setattr(learner, "_criterion", nn.MSELoss()),
    "the optimizer": lambda learner: setattr(
        learner, "optimizer", torch.optim.SGD(learner.model.parameters())
    ),
    "train_mb_size": lambda learner: setattr(learner, "train_mb_size", 1),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_a_checkpoint_does_not_hold_is_named_when_it_changes(name):
    learner = small_learner(small_stream())
    before = constants_of(learner)
    assert changed(before, constants_of(learner)) == ""
    CHANGES[name](learner)
    assert changed(before, constants_of(learner)) == name


def test_attributes_count_of_torchs_layers_and_of_a_users_model():
    backbone = nn.Sequential(nn.Flatten(), Counting())
    backbone.features = 12
    learner = small_learner(small_stream(), backbone=backbone)
    for own_model, name in ((False, ""), (True, "backbone.1.calls")):
        before = constants_of(learner, own_model=own_model)
        backbone[1].calls += 1
        assert changed(before, constants_of(learner, own_model=own_model)) == name


def test_training_and_weights_are_no_constants():
    learner = small_learner(small_stream())
    before = constants_of(learner)
    learner.model.eval()
    learner.model.backbone[1].weight.data.zero_()
    learner.model.requires_grad_(False)  # a checkpoint holds it
    assert changed(before, constants_of(learner)) == ""
