"""A function compiled by `torch.compile` may call `step`: Dynamo breaks its graph there."""

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler
from trajectories import assert_same

from nanocl import optim


@pytest.fixture(autouse=True)
def fresh_dynamo():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def make_model():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(9, 8), nn.Tanh(), nn.Linear(8, 2))


def batches(count=6):
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(4, 9, generator=generator) for _ in range(count)]


SCHEDULERS = {
    "none": None,
    "step": lambda optimizer: lr_scheduler.StepLR(optimizer, 2),
    "lambda": lambda optimizer: lr_scheduler.LambdaLR(optimizer, lambda step: 0.5**step),
    "one-cycle": lambda optimizer: lr_scheduler.OneCycleLR(
        optimizer, 0.1, total_steps=9, cycle_momentum="betas" in optimizer.defaults
    ),
}
WHERE = ("outside", "inside")


def trained(make, schedule, where, *, compiled):
    """The weights after a training loop whose body is compiled."""
    model = make_model()
    optimizer = make(model.parameters(), lr=0.05)
    scheduler = SCHEDULERS[schedule](optimizer) if SCHEDULERS[schedule] else None

    def body(inputs):
        optimizer.zero_grad()
        model(inputs).square().sum().backward()
        optimizer.step()
        if scheduler and where == "inside":
            scheduler.step()

    run = torch.compile(body, backend="eager") if compiled else body
    for inputs in batches():
        run(inputs)
        if scheduler and where == "outside":
            scheduler.step()
    return [param.detach() for param in model.parameters()]


def test_a_compiled_training_step_is_the_ordinary_one(make):
    expected = trained(make, "one-cycle", "outside", compiled=False)
    assert_same(trained(make, "one-cycle", "outside", compiled=True), expected)


@pytest.mark.parametrize("fused", [True, False])
def test_so_it_is_with_the_scheduler_inside_and_on_either_path(fused):
    def make(params, lr):
        return optim.NanoAdam(params, lr, density=0.3, mask_interval=2, fused=fused)

    for schedule in SCHEDULERS:
        expected = trained(make, schedule, "inside", compiled=False)
        assert_same(trained(make, schedule, "inside", compiled=True), expected)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("scheduled", [True, False])
def test_a_compiled_lambda_may_step(fused, scheduled):
    param, other = nn.Parameter(torch.ones(8)), nn.Parameter(torch.ones(8))
    optimizers = [optim.NanoAdam([p], lr=0.1, density=1.0, fused=fused) for p in (param, other)]
    if scheduled:
        for optimizer in optimizers:
            lr_scheduler.StepLR(optimizer, 2)
    step = torch.compile(lambda: optimizers[0].step(), backend="eager")
    for _ in range(3):
        for each in (param, other):
            each.grad = torch.ones(8)
        step()
        optimizers[1].step()
    assert torch.equal(param, other) and param[0] < 0.9


def test_a_closure_is_evaluated_in_a_compiled_step():
    param = nn.Parameter(torch.ones(8))
    optimizer = optim.NanoAdam([param], lr=0.1, density=1.0)

    def closure():
        optimizer.zero_grad()
        loss = param.square().sum()
        loss.backward()
        return loss

    step = torch.compile(lambda: optimizer.step(closure), backend="eager")
    assert [round(step().item(), 2) for _ in range(2)] == [8.0, 6.48]


@pytest.mark.parametrize("cls", [optim.NanoAdam, optim.MicroAdam])
def test_steps_in_the_backward_pass_of_a_compiled_function(cls):
    weights = []
    for compiled in (True, False):
        model = make_model()
        optimizer = cls(model.parameters(), lr=0.05)
        optim.StepInBackward(optimizer)

        def body(inputs, model=model, optimizer=optimizer):
            model(inputs).square().sum().backward()
            optimizer.step()

        run = torch.compile(body, backend="eager") if compiled else body
        for inputs in batches():
            run(inputs)
        assert all(param.grad is None for param in model.parameters())
        weights.append([param.detach() for param in model.parameters()])
    assert_same(*weights)


def test_a_whole_graph_with_a_step_is_refused_by_dynamo_in_words():
    param = nn.Parameter(torch.ones(8))
    param.grad = torch.ones(8)
    optimizer = optim.NanoAdam([param])
    with pytest.raises(torch._dynamo.exc.Unsupported, match=r"function `CompactOptimizer\.step`"):
        torch.compile(lambda: optimizer.step(), backend="eager", fullgraph=True)()
