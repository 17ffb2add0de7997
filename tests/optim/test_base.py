"""What every optimizer of nanocl.optim does as a `torch.optim.Optimizer`."""

import pytest
import torch
from torch import nn
from trajectories import assert_same, tiny_params, train


def test_step_leaves_the_gradient_untouched(make):
    params = tiny_params()
    optimizer = make(params, weight_decay=0.1)
    for step in range(5):
        train(params, optimizer, 1, first=step)
        generator = torch.Generator().manual_seed(1000 + step)
        assert_same(
            [param.grad for param in params],
            [torch.randn(param.shape, generator=generator) for param in params],
        )


def test_closure_is_evaluated_with_gradients_and_its_loss_returned(make):
    param = nn.Parameter(torch.ones(20))
    optimizer = make([param], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = param.square().sum()
        loss.backward()
        return loss

    losses = [optimizer.step(closure).item() for _ in range(30)]
    assert losses[0] == 20.0 and losses[-1] < losses[0]
    assert optimizer.step() is None


def test_parameters_without_gradient_keep_weights_and_have_no_state(make):
    params = tiny_params()
    before = params[1].detach().clone()
    optimizer = make(params)
    params[0].grad = torch.ones_like(params[0])
    optimizer.step()
    assert torch.equal(params[1], before) and not optimizer.state.get(params[1])


def test_an_added_group_has_its_own_options(make):
    first, second = tiny_params(0), tiny_params(1)
    before = [param.detach().clone() for param in second]
    optimizer = make(first, lr=0.1)
    optimizer.add_param_group({"params": second, "lr": 0.0})
    train(first + second, optimizer, 3)
    assert_same(second, before)
    with pytest.raises(ValueError, match="lr"):
        optimizer.add_param_group({"params": tiny_params(2), "lr": -1.0})


def test_a_scheduler_sets_the_learning_rate(make):
    params = tiny_params()
    optimizer = make(params, lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.0)
    train(params, optimizer, 1)
    scheduler.step()
    before = [param.detach().clone() for param in params]
    train(params, optimizer, 2, first=1)
    assert_same(params, before)


def test_a_tensor_as_learning_rate_is_honoured(make):
    params, others = tiny_params(), tiny_params()
    train(params, make(params, lr=torch.tensor(0.125)), 3)
    train(others, make(others, lr=0.125), 3)
    assert_same(params, others)


def test_named_parameters_are_accepted(make):
    model = nn.Linear(5, 3)
    optimizer = make(model.named_parameters())
    model(torch.ones(2, 5)).sum().backward()
    optimizer.step()
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]


def test_a_transposed_or_channels_last_parameter_trains_like_a_contiguous_one(make):
    values = torch.randn(4, 5, 6, 7, generator=torch.Generator().manual_seed(0))
    for strided in (
        values.contiguous(memory_format=torch.channels_last),
        values.mT.contiguous().mT,
    ):
        plain, strided = nn.Parameter(values.clone()), nn.Parameter(strided)
        assert not strided.is_contiguous()
        train([plain], make([plain], lr=0.05), 5)
        train([strided], make([strided], lr=0.05), 5)
        torch.testing.assert_close(plain, strided.contiguous(), rtol=0, atol=1e-6)


def test_a_gradient_of_another_size_is_refused(make):
    param = nn.Parameter(torch.ones(500, 10))
    param.grad = torch.ones(500, 10)
    param.data = torch.ones(5000, 10)
    with pytest.raises(RuntimeError, match=r"\(500, 10\) for a parameter of shape \(5000, 10\)"):
        make([param]).step()


def test_a_group_that_is_refused_leaves_the_optimizer_as_it_was(make):
    optimizer = make(tiny_params())
    with pytest.raises(ValueError, match="complex64"):
        optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(2, dtype=torch.complex64))]})
    assert len(optimizer.param_groups) == 1


def test_an_empty_parameter_is_no_error(make):
    param = nn.Parameter(torch.empty(0, 3))
    optimizer = make([param])
    train([param], optimizer, 3)
    assert param.shape == (0, 3)


def test_sparse_gradients_and_complex_parameters_are_refused(make):
    embedding = nn.Embedding(5, 3, sparse=True)
    optimizer = make(embedding.parameters())
    embedding(torch.tensor([1])).sum().backward()
    with pytest.raises(RuntimeError, match="sparse"):
        optimizer.step()
    with pytest.raises(ValueError, match="complex64"):
        make([nn.Parameter(torch.zeros(2, dtype=torch.complex64))])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_every_float_type_descends(make, dtype):
    param = nn.Parameter(torch.ones(64, dtype=dtype))
    optimizer = make([param], lr=0.02)
    for _ in range(60):
        param.grad = param.detach().clone()
        optimizer.step()
    assert param.dtype == dtype and param.isfinite().all()
    assert param.float().square().mean() < 0.9


def test_a_scaled_loss_under_autocast_trains(make):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Linear(6, 1)
    optimizer = make(model.parameters(), lr=0.02)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    inputs = torch.randn(32, 6, generator=torch.Generator().manual_seed(0))
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = (model(inputs).float() - 3).square().mean()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_a_step_leaves_the_global_generator_unchanged(make):
    params = tiny_params()
    state = torch.get_rng_state()
    optimizer = make(params)
    for param in params:
        param.grad = torch.ones_like(param)
    optimizer.step()
    assert torch.equal(state, torch.get_rng_state())


def test_compiling_ahead_changes_no_weight_no_state_no_generator_and_no_later_step(make):
    ahead, plain = tiny_params(), tiny_params()
    optimizers = make(ahead), make(plain)
    random_state = torch.get_rng_state()
    optimizers[0].compile_ahead()
    assert not optimizers[0].state and torch.equal(torch.get_rng_state(), random_state)
    assert all(param.grad is None for param in ahead)
    for params, optimizer in zip((ahead, plain), optimizers, strict=True):
        train(params, optimizer, 4)
    assert_same(ahead, plain)
