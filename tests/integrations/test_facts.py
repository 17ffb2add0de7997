"""What a record says of model and optimizer."""

import torch
from training_cases import plain_network

from nanocl.integrations import facts


def test_a_learning_rate_on_a_schedule_is_recorded_at_its_base():
    optimizer = torch.optim.AdamW(plain_network().parameters(), lr=torch.tensor(0.5))
    torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.1)
    (group,) = facts.described(optimizer)["groups"]
    assert group["lr"] == 0.5 and group["betas"] == [0.9, 0.999] and group["entries"] == 58


def test_models_of_other_shapes_have_other_hashes():
    one, other = plain_network(), torch.nn.Linear(2, 2)
    assert facts.config_hash(one) == facts.config_hash(plain_network())
    assert facts.config_hash(one) != facts.config_hash(other)
    assert facts.model_name(other) == "Linear"
