"""What every optimizer of nanocl.optim promises as a `torch.optim.Optimizer`."""

import copy
import pickle
from collections import defaultdict

import pytest
import torch
from torch import nn

from nanocl import optim

SMALL = {
    "NanoAdam": {"chunk_size": 50, "mask_interval": 3, "density": 0.3},
    "MicroAdam": {"block_size": 50, "quant_block": 8, "density": 0.1, "window": 4},
    "MoFO": {"density": 0.3},
    "LIFT": {"density": 0.3, "mask_interval": 3, "rank": 1},
    "LowRankAdamW": {"rank": 3},
    "PaFi": {"density": 0.9, "chunk_size": 50},
    "CLASSP": {"threshold": 0.25, "power": 4.0},
}


OPTIMIZERS = [
    name for name in optim.__all__ if issubclass(getattr(optim, name), torch.optim.Optimizer)
]


@pytest.fixture(params=OPTIMIZERS)
def make(request):
    """Makes one of the optimizers with options for tiny parameters."""

    def build(params, **options):
        return getattr(optim, request.param)(params, **{**SMALL.get(request.param, {}), **options})

    return build


def make_params(seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return [
        nn.Parameter(torch.randn(shape, generator=generator).to(dtype))
        for shape in ((12, 11), (7,), ())
    ]


def train(params, optimizer, steps, first=0):
    for step in range(first, first + steps):
        generator = torch.Generator().manual_seed(1000 + step)
        for param in params:
            param.grad = torch.randn(param.shape, generator=generator).to(param.dtype)
        optimizer.step()


def assert_same(left, right):
    assert all(torch.equal(one, other) for one, other in zip(left, right, strict=True))


def test_step_leaves_the_gradient_untouched(make):
    params = make_params()
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
    params = make_params()
    before = params[1].detach().clone()
    optimizer = make(params)
    params[0].grad = torch.ones_like(params[0])
    optimizer.step()
    assert torch.equal(params[1], before) and not optimizer.state.get(params[1])


def test_a_wiped_state_starts_as_a_fresh_optimizer(make):
    params = make_params()
    optimizer = make(params)
    train(params, optimizer, 4)
    fresh = [nn.Parameter(param.detach().clone()) for param in params]
    optimizer.state = defaultdict(dict)
    train(params, optimizer, 6)
    train(fresh, make(fresh), 6)
    assert_same(params, fresh)


def test_no_two_parameters_have_the_same_random_bits_where_heads_come_and_go(make):
    params = make_params()
    optimizer = make(params)
    train(params, optimizer, 1)
    for _ in range(3):  # as where an output layer is replaced and the state of the old one dropped
        new = nn.Parameter(torch.ones_like(params[0]))
        del optimizer.state[params[0]]
        optimizer.param_groups[0]["params"][0] = params[0] = new
        train(params, optimizer, 1)
    keys = [state["key"] for state in optimizer.state.values() if "key" in state]
    assert len(set(keys)) == len(keys)


def test_a_grown_head_with_an_empty_state_goes_on_beside_the_others(make):
    params = make_params()
    optimizer = make(params)
    train(params, optimizer, 4)
    grown = nn.Parameter(torch.cat([params[1].detach(), torch.zeros(3)]))
    optimizer.state.pop(params[1])
    optimizer.state[grown] = {}
    params[1] = grown
    optimizer.param_groups[0]["params"][1] = grown
    train(params, optimizer, 4, first=4)
    assert optimizer.state[grown]["step"] == 4 and optimizer.state[params[0]]["step"] == 8
    assert grown.isfinite().all()


def test_an_added_group_has_its_own_options(make):
    first, second = make_params(0), make_params(1)
    before = [param.detach().clone() for param in second]
    optimizer = make(first, lr=0.1)
    optimizer.add_param_group({"params": second, "lr": 0.0})
    train(first + second, optimizer, 3)
    assert_same(second, before)
    with pytest.raises(ValueError, match="lr"):
        optimizer.add_param_group({"params": make_params(2), "lr": -1.0})


def test_a_scheduler_sets_the_learning_rate(make):
    params = make_params()
    optimizer = make(params, lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.0)
    train(params, optimizer, 1)
    scheduler.step()
    before = [param.detach().clone() for param in params]
    train(params, optimizer, 2, first=1)
    assert_same(params, before)


def test_a_tensor_as_learning_rate_is_honoured(make):
    params, others = make_params(), make_params()
    train(params, make(params, lr=torch.tensor(0.125)), 3)
    train(others, make(others, lr=0.125), 3)
    assert_same(params, others)


def test_named_parameters_are_accepted(make):
    model = nn.Linear(5, 3)
    optimizer = make(model.named_parameters())
    model(torch.ones(2, 5)).sum().backward()
    optimizer.step()
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]


@pytest.mark.parametrize("way", ["copy", "pickle"])
def test_a_copied_optimizer_goes_on_with_the_same_bits(make, way):
    params = make_params()
    optimizer = make(params)
    train(params, optimizer, 4)
    twins = (
        copy.deepcopy((params, optimizer))
        if way == "copy"
        else pickle.loads(pickle.dumps((params, optimizer)))
    )
    train(params, optimizer, 5, first=4)
    train(*twins, 5, first=4)
    assert_same(params, twins[0])


def test_loading_copies_the_state_and_keeps_every_dtype(make):
    params = make_params(dtype=torch.bfloat16)
    optimizer = make(params)
    train(params, optimizer, 4)
    saved = copy.deepcopy(optimizer.state_dict())
    other = make(params)
    other.load_state_dict(optimizer.state_dict())
    train(params, other, 3)
    for number, state in optimizer.state_dict()["state"].items():
        for key, value in state.items():
            if torch.is_tensor(value):
                assert torch.equal(value, saved["state"][number][key])
                assert other.state[params[number]][key].dtype == value.dtype


def test_hooks_around_loading_see_and_change_the_state(make):
    params = make_params()
    optimizer = make(params)
    train(params, optimizer, 2)
    other, seen = make(params), []
    other.register_load_state_dict_pre_hook(lambda _, state: {**state, "state": {}})
    other.register_load_state_dict_post_hook(lambda loaded: seen.append(len(loaded.state)))
    other.load_state_dict(optimizer.state_dict())
    assert seen == [0]


def test_two_instances_share_nothing(make):
    first, second, alone = make_params(), make_params(), make_params()
    both = make(first), make(second)
    for step in range(5):
        train(first, both[0], 1, first=step)
        train(second, both[1], 1, first=step + 50)
    train(alone, make(alone), 5)
    assert_same(first, alone)


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


@pytest.mark.parametrize("options", [{}, {"density": 1.0}], ids=str)
def test_a_parameter_resized_in_place_is_refused_until_its_state_is_empty(make, options):
    for size in (50, 500):
        param = nn.Parameter(torch.ones(20, 10))
        optimizer = make([param], **(options if "density" in make([param]).defaults else {}))
        train([param], optimizer, 2)
        param.data = torch.ones(size, 10)
        with pytest.raises(RuntimeError, match=rf"200 entries for one of shape \({size}, 10\)"):
            train([param], optimizer, 1)
        optimizer.state[param] = {}
        train([param], optimizer, 2)


def test_a_gradient_of_another_size_is_refused(make):
    param = nn.Parameter(torch.ones(500, 10))
    param.grad = torch.ones(500, 10)
    param.data = torch.ones(5000, 10)
    with pytest.raises(RuntimeError, match=r"\(500, 10\) for a parameter of shape \(5000, 10\)"):
        make([param]).step()


def test_a_state_of_another_model_is_refused(make):
    large, small = nn.Parameter(torch.ones(90)), nn.Parameter(torch.ones(9))
    first, second = make([large]), make([small])
    train([large], first, 2)
    second.load_state_dict(first.state_dict())
    with pytest.raises(RuntimeError, match="90 entries"):
        train([small], second, 1)


def test_a_group_that_is_refused_leaves_the_optimizer_as_it_was(make):
    optimizer = make(make_params())
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


def test_global_random_state_is_left_alone(make):
    params = make_params()
    state = torch.get_rng_state()
    optimizer = make(params)
    for param in params:
        param.grad = torch.ones_like(param)
    optimizer.step()
    assert torch.equal(state, torch.get_rng_state())


def test_predicted_bytes_are_those_of_the_state(make):
    for dtype in (torch.float32, torch.bfloat16):
        params = make_params(dtype=dtype)
        optimizer = make(params)
        train(params, optimizer, 1)
        tensors = [
            value
            for state in optimizer.state.values()
            for value in state.values()
            if torch.is_tensor(value)
        ]
        meta = make([nn.Parameter(torch.empty_like(param, device="meta")) for param in params])
        counted = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        assert optimizer.state_bytes() == meta.state_bytes() == counted


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
        optim.StepInBackward(torch.optim.SGD(make_params()))


def test_compiling_ahead_changes_no_weight_no_state_no_generator_and_no_later_step(make):
    ahead, plain = make_params(), make_params()
    optimizers = make(ahead), make(plain)
    chance = torch.get_rng_state()
    optimizers[0].compile_ahead()
    assert not optimizers[0].state and torch.equal(torch.get_rng_state(), chance)
    assert all(param.grad is None for param in ahead)
    for params, optimizer in zip((ahead, plain), optimizers, strict=True):
        train(params, optimizer, 4)
    assert_same(ahead, plain)
