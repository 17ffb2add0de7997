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


def backward(model, step, scale=1.0):
    inputs = torch.randn(4, 9, generator=torch.Generator().manual_seed(step))
    (model(inputs).square().sum() * scale).backward()


def two_models():
    models = [nn.Sequential(nn.Linear(9, 8), nn.Tanh(), nn.Linear(8, 2)) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    return models


@pytest.mark.parametrize("end", ["step", "zero_grad"])
def test_the_gradients_of_several_backward_passes_make_one_step(make, end):
    models = two_models()
    ordinary, hooked = (make(model.parameters(), lr=0.05) for model in models)
    optim.StepInBackward(hooked, every=3)
    for step in range(5):
        for part in range(3):
            for model in models:
                backward(model, 10 * step + part, scale=0.25)
            # the gradients are added until the last pass
            has_gradients = [param.grad is not None for param in models[1].parameters()]
            assert has_gradients == [part < 2] * 4
        ordinary.step()
        ordinary.zero_grad()
        getattr(hooked, end)()
    assert_same(models[0].parameters(), models[1].parameters())
    assert all(state["step"] == 5 for state in hooked.state.values())


@pytest.mark.parametrize("every", [1, 2])
def test_a_backward_pass_too_many_is_refused_and_changes_nothing(make, every):
    model = two_models()[0]
    optimizer = make(model.parameters())
    optim.StepInBackward(optimizer, every=every)
    for part in range(every):
        backward(model, part)
    before = [param.detach().clone() for param in model.parameters()]
    with pytest.raises(RuntimeError, match=rf"call optimizer\.step\(\) or zero.*got {every}$"):
        backward(model, 9)
    assert_same(before, model.parameters())
    optimizer.zero_grad()
    for part in range(every):
        backward(model, part)
    assert all(state["step"] == 2 for state in optimizer.state.values())


def test_a_parameter_with_a_gradient_in_some_passes_is_stepped_by_step(make):
    """As a head that only the first of two batches uses."""
    models = two_models()
    heads = [nn.Linear(9, 2, bias=False) for _ in models]
    heads[1].load_state_dict(heads[0].state_dict())
    optimizers = []
    for model, head in zip(models, heads, strict=True):
        optimizers.append(make([*model.parameters(), *head.parameters()], lr=0.05))
    optim.StepInBackward(optimizers[1], every=2)
    for step in range(3):
        for model, head, optimizer in zip(models, heads, optimizers, strict=True):
            inputs = torch.randn(4, 9, generator=torch.Generator().manual_seed(step))
            (model(inputs) + head(inputs)).square().sum().backward()
            backward(model, 20 + step)
            optimizer.step()
            optimizer.zero_grad()
    assert_same(models[0].parameters(), models[1].parameters())
    assert torch.equal(heads[0].weight, heads[1].weight)


def test_a_parameter_that_is_used_twice_in_one_pass_is_stepped_once(make):
    layer = nn.Linear(6, 6)
    optimizer = make(layer.parameters())
    optim.StepInBackward(optimizer)
    layer(layer(torch.ones(2, 6))).sum().backward()
    assert optimizer.state[layer.weight]["step"] == 1


@pytest.mark.parametrize("every", [0, 1.5, True])
def test_a_number_of_passes_below_one_or_no_integer_is_refused(every):
    with pytest.raises(ValueError, match="every must be an integer of at least 1"):
        optim.StepInBackward(optim.NanoAdam(tiny_params()), every=every)
