"""Steps inside the backward pass are the same training, without gradients afterwards."""

import pytest
import torch
from torch import nn
from trajectories import assert_same, tiny_params

from nanocl import optim


def test_stepping_in_the_backward_pass_is_the_same_training_without_gradients(make):
    models = [nn.Sequential(nn.Linear(9, 8), nn.Tanh(), nn.Linear(8, 2)) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    optimizers = [make(model.parameters(), lr=0.05) for model in models]
    schedulers = [torch.optim.lr_scheduler.StepLR(optimizer, 3) for optimizer in optimizers]
    hooks = optim.StepInBackward(optimizers[1])
    for step in range(8):
        inputs = torch.randn(4, 9, generator=torch.Generator().manual_seed(step))
        for model, optimizer, scheduler in zip(models, optimizers, schedulers, strict=True):
            optimizer.zero_grad()
            model(inputs).square().sum().backward()
            optimizer.step()
            scheduler.step()
        assert all(param.grad is None for param in models[1].parameters())
    assert_same(models[0].parameters(), models[1].parameters())
    hooks.remove()
    models[1](torch.ones(1, 9)).sum().backward()
    assert all(param.grad is not None for param in models[1].parameters())


def test_frozen_parameters_and_a_second_hook_do_not_disturb_stepping_in_the_backward_pass(make):
    model = nn.Linear(6, 4)
    model.bias.requires_grad_(False)
    before = model.bias.clone()
    optimizer = make(model.parameters())
    for _ in range(2):
        optim.StepInBackward(optimizer)
    model(torch.ones(2, 6)).sum().backward()
    assert optimizer.state[model.weight]["step"] == 1
    assert torch.equal(model.bias, before) and model.weight.grad is None


def test_a_sparse_gradient_is_refused_in_the_backward_pass_too(make):
    embedding = nn.Embedding(5, 3, sparse=True)
    optim.StepInBackward(make(embedding.parameters()))
    with pytest.raises(RuntimeError, match="does not support sparse"):
        embedding(torch.tensor([1])).sum().backward()


def test_only_optimizers_of_this_package_step_in_the_backward_pass():
    with pytest.raises(TypeError, match="SGD"):
        optim.StepInBackward(torch.optim.SGD(tiny_params()))
