"""NanoAdam against the specification of its paper and against a slow reference."""

import copy
import math

import pytest
import torch
from torch import nn

from nanocl.optim import NanoAdam
from nanocl.optim._plain.selection import flat_index, quota
from nanocl.optim._reference.nanoadam import NanoAdamReference

SHAPES = ((17, 9), (13,), (1,), ())


def make_params(seed=0, shapes=SHAPES, dtype=torch.float32, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    return [
        nn.Parameter((torch.randn(shape, generator=generator) * scale).to(dtype))
        for shape in shapes
    ]


def gradients_of(params, step, missing=False):
    generator = torch.Generator().manual_seed(1000 + step)
    drawn = [torch.randn(param.shape, generator=generator).to(param.dtype) for param in params]
    return [
        None if missing and (step + i) % 5 == 0 else gradient for i, gradient in enumerate(drawn)
    ]


def train(params, optimizer, steps, first=0, missing=False):
    for step in range(first, first + steps):
        for param, gradient in zip(params, gradients_of(params, step, missing), strict=True):
            param.grad = gradient
        optimizer.step()


def selected(optimizer, param):
    state = optimizer.state[param]
    return flat_index(state["start"], state["offset"], state["chunk"])


def state_bytes(optimizer, param):
    tensors = [
        value for value in optimizer.state[param].values() if isinstance(value, torch.Tensor)
    ]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


@pytest.mark.parametrize("policy", ["carry", "reset", "slot"])
@pytest.mark.parametrize("select", ["small", "large", "gradient", "static-small"])
@pytest.mark.parametrize("scope", ["selected", "all"])
def test_trajectory_equals_the_slow_reference(policy, select, scope):
    options = dict(
        density=0.3,
        chunk_size=20,
        mask_interval=4,
        select=select,
        moment_policy=policy,
        weight_decay=0.1,
        decay_scope=scope,
        lr=0.05,
    )
    params = make_params(dtype=torch.float64)
    optimizer, reference = NanoAdam(params, **options), NanoAdamReference(params, **options)
    for step in range(23):
        gradients = gradients_of(params, step, missing=True)
        for param, gradient in zip(params, gradients, strict=True):
            param.grad = gradient
        optimizer.step()
        reference.step(gradients)
    for param, expected in zip(params, reference.params, strict=True):
        torch.testing.assert_close(param.detach().flatten(), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("policy", ["carry", "reset", "slot"])
def test_density_schedule_equals_the_slow_reference(policy):
    options = dict(
        density=0.6,
        final_density=0.1,
        total_steps=15,
        density_interval=3,
        mask_interval=4,
        chunk_size=20,
        moment_policy=policy,
        lr=0.05,
    )
    params = make_params(dtype=torch.float64)
    optimizer, reference = NanoAdam(params, **options), NanoAdamReference(params, **options)
    for step in range(20):
        train(params, optimizer, 1, first=step)
        reference.step(gradients_of(params, step))
    for param, expected in zip(params, reference.params, strict=True):
        torch.testing.assert_close(param.detach().flatten(), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("schedule", [{}, {"final_density": 0.999999, "total_steps": 10**9}])
def test_full_density_is_adamw_with_and_without_a_selection(schedule):
    params, expected = make_params(), make_params()
    optimizer = NanoAdam(
        params, lr=0.01, weight_decay=0.1, density=1.0, mask_interval=3, chunk_size=50, **schedule
    )
    train(params, optimizer, 30)
    train(expected, torch.optim.AdamW(expected, lr=0.01, weight_decay=0.1, foreach=False), 30)
    for param, other in zip(params, expected, strict=True):
        torch.testing.assert_close(param, other, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64, torch.float16])
def test_entries_never_selected_keep_every_bit(dtype):
    params = make_params(dtype=dtype)
    before = [param.detach().clone().flatten() for param in params]
    optimizer = NanoAdam(params, lr=0.05, density=0.1, chunk_size=64, mask_interval=4)
    touched = [torch.zeros(param.numel(), dtype=torch.bool) for param in params]
    for step in range(20):
        train(params, optimizer, 1, first=step)
        for mask, param in zip(touched, params, strict=True):
            mask[selected(optimizer, param)] = True
    for mask, param, old in zip(touched, params, before, strict=True):
        assert torch.equal(param.detach().flatten()[~mask], old[~mask])
    assert 0 < (~touched[0]).sum() < len(touched[0])


def test_touched_share_only_grows_and_stays_below_a_fifth_as_in_the_paper_on_cola():
    params = make_params(shapes=((200, 200),), scale=0.04)
    before = params[0].detach().clone()
    optimizer = NanoAdam(
        params,
        lr=5e-5,
        density=0.1,
        final_density=0.04,
        total_steps=300,
        mask_interval=6,
        density_interval=33,
    )
    shares = []
    for step in range(0, 300, 30):
        train(params, optimizer, 30, first=step)
        shares.append((params[0] != before).float().mean().item())
    assert shares == sorted(shares)
    assert 0.1 <= shares[-1] <= 0.2


def test_selection_changes_only_at_multiples_of_the_two_intervals():
    params = make_params(shapes=((40, 40),))
    optimizer = NanoAdam(params, lr=0.05, mask_interval=5, density_interval=7)
    previous, changes = None, []
    for step in range(40):
        train(params, optimizer, 1, first=step)
        now = selected(optimizer, params[0])
        if previous is None or not torch.equal(now, previous):
            changes.append(step)
        previous = now
    assert changes == [step for step in range(40) if step % 5 == 0 or step % 7 == 0]


def test_first_selection_depends_on_the_weights_alone():
    first, second = make_params(), make_params()
    optimizers = NanoAdam(first), NanoAdam(second)
    train(first, optimizers[0], 1, first=0)
    train(second, optimizers[1], 1, first=77)
    for one, other in zip(first, second, strict=True):
        assert torch.equal(selected(optimizers[0], one), selected(optimizers[1], other))


def test_each_chunk_gives_its_own_smallest_entries():
    scales = torch.cat([torch.full((32,), 1.0), torch.full((32,), 0.01), torch.full((10,), 100.0)])
    param = nn.Parameter(make_params(shapes=((74,),))[0].detach() * scales)
    weights = param.detach().clone().abs()
    param.grad = torch.ones_like(param)
    optimizer = NanoAdam([param], density=0.2, chunk_size=32)
    optimizer.step()
    chosen = selected(optimizer, param)
    for first, end in ((0, 32), (32, 64), (64, 74)):
        inside = torch.zeros(74, dtype=torch.bool)
        inside[first:end] = True
        mask = torch.zeros(74, dtype=torch.bool)
        mask[chosen] = True
        assert (mask & inside).sum() == math.ceil(0.2 * (end - first))
        assert weights[mask & inside].max() <= weights[~mask & inside].min()
    assert set(chosen.tolist()) != set(weights.argsort()[: len(chosen)].tolist())


def test_small_and_large_selections_are_disjoint_below_one_half():
    params = make_params()[:2]
    chosen = []
    for select in ("small", "large"):
        optimizer = NanoAdam(params, lr=0.0, density=0.45, select=select)
        train(params, optimizer, 1)
        chosen.append([set(selected(optimizer, param).tolist()) for param in params])
    assert all(not small & large for small, large in zip(*chosen, strict=True))


def test_equal_magnitudes_are_taken_from_the_front():
    param = nn.Parameter(torch.tensor([1.0, -0.0, 2.0, 0.0, -1.0, 0.0]))
    param.grad = torch.ones(6)
    optimizer = NanoAdam([param], density=0.5)
    optimizer.step()
    assert selected(optimizer, param).tolist() == [1, 3, 5]
    param = nn.Parameter(torch.zeros(10))
    param.grad = torch.ones(10)
    optimizer = NanoAdam([param], density=0.3)
    optimizer.step()
    assert selected(optimizer, param).tolist() == [0, 1, 2]


def test_random_selection_is_seeded_has_the_exact_size_and_changes():
    def choices(seed):
        params = make_params(shapes=((64, 64),))
        optimizer = NanoAdam(params, density=0.1, select="random", mask_interval=1, seed=seed)
        drawn = []
        for step in range(3):
            train(params, optimizer, 1, first=step)
            drawn.append(selected(optimizer, params[0]).tolist())
        return drawn

    first, again, other = choices(3), choices(3), choices(4)
    assert first == again != other
    assert all(len(set(drawn)) == 410 for drawn in first)
    overlap = len(set(first[0]) & set(first[1]))
    assert 15 < overlap < 75  # 41 expected of two independent tenths


def test_gradient_selection_takes_the_largest_gradients_of_the_step():
    param = nn.Parameter(torch.randn(20, generator=torch.Generator().manual_seed(0)))
    param.grad = torch.arange(20.0).sub(9.5)
    optimizer = NanoAdam([param], density=0.2, select="gradient")
    optimizer.step()
    assert selected(optimizer, param).tolist() == [0, 1, 18, 19]


def test_static_selection_never_changes():
    params = make_params()
    optimizer = NanoAdam(params, lr=0.1, density=0.2, select="static-small", mask_interval=2)
    train(params, optimizer, 1)
    first = [selected(optimizer, param) for param in params]
    train(params, optimizer, 20, first=1)
    assert all(
        torch.equal(chosen, selected(optimizer, param))
        for chosen, param in zip(first, params, strict=True)
    )


@pytest.mark.parametrize(
    ("dtype", "policy", "per_entry"),
    [
        ("bfloat16", "reset", 6),
        ("bfloat16", "carry", 8),
        ("float32", "reset", 10),
        ("float32", "carry", 12),
    ],
)
def test_state_takes_the_bytes_of_the_specification(dtype, policy, per_entry):
    param = nn.Parameter(torch.randn(300, 401))
    param.grad = torch.ones_like(param)
    optimizer = NanoAdam(
        [param], density=0.1, state_dtype=dtype, moment_policy=policy, chunk_size=4096
    )
    optimizer.step()
    entries = sum(
        quota(length, 0.1) for length in [4096] * (param.numel() // 4096) + [param.numel() % 4096]
    )
    chunks = -(-param.numel() // 4096)
    assert state_bytes(optimizer, param) == per_entry * entries + 8 * (chunks + 1)


def test_state_of_a_million_parameters_stays_under_the_promised_bytes():
    param = nn.Parameter(torch.randn(1 << 20))
    param.grad = torch.ones_like(param)
    for density, policy, limit in (
        (0.1, "reset", 0.62),
        (0.1, "carry", 0.82),
        (0.01, "reset", 0.065),
        (0.01, "carry", 0.085),
    ):
        optimizer = NanoAdam([param], density=density, moment_policy=policy, state_dtype="bfloat16")
        optimizer.step()
        assert state_bytes(optimizer, param) <= limit * param.numel()


def test_a_dense_group_beside_a_sparse_one_is_dense_adam():
    params, expected = make_params(), make_params()
    optimizer = NanoAdam([{"params": params[:1]}, {"params": params[1:], "density": 1.0}], lr=0.01)
    train(params, optimizer, 20)
    train(expected, torch.optim.AdamW(expected, lr=0.01, weight_decay=0.0, foreach=False), 20)
    for param, other in zip(params[1:], expected[1:], strict=True):
        torch.testing.assert_close(param, other, rtol=1e-6, atol=1e-7)
    assert (params[0] != expected[0]).float().mean() > 0.8


@pytest.mark.parametrize("policy", ["carry", "reset"])
def test_first_step_after_a_selection_has_the_size_of_the_learning_rate(policy):
    params = make_params(shapes=((30, 30),))
    optimizer = NanoAdam(params, lr=1e-3, density=0.2, mask_interval=10, moment_policy=policy)
    for _ in range(35):
        before = params[0].detach().clone()
        params[0].grad = torch.ones_like(params[0])
        optimizer.step()
        moved = (before - params[0].detach()).flatten()[selected(optimizer, params[0])]
        torch.testing.assert_close(moved, torch.full_like(moved, 1e-3), rtol=1e-3, atol=0)


def test_moments_of_a_slot_fall_to_another_entry_and_carried_ones_do_not():
    for policy, expected in (("slot", 0.19), ("carry", 0.1), ("reset", 0.1)):
        param = nn.Parameter(torch.tensor([0.1, 1.0]))
        optimizer = NanoAdam([param], lr=10.0, density=0.5, mask_interval=1, moment_policy=policy)
        for chosen in ([0], [1]):
            param.grad = torch.ones(2)
            optimizer.step()
            assert selected(optimizer, param).tolist() == chosen
        torch.testing.assert_close(optimizer.state[param]["mean"], torch.tensor([expected]))


def test_carried_ages_count_the_updates_of_each_entry():
    params = make_params(shapes=((30, 30),))
    optimizer = NanoAdam(params, lr=0.05, density=0.2, mask_interval=3)
    counted = torch.zeros(900, dtype=torch.int64)
    for step in range(14):
        train(params, optimizer, 1, first=step)
        mask = torch.zeros(900, dtype=torch.bool)
        mask[selected(optimizer, params[0])] = True
        counted = torch.where(mask, counted + 1, 0)
    state = optimizer.state[params[0]]
    age = state["age"].to(torch.int64) + state["step"] - state["chosen"]
    assert torch.equal(age, counted[selected(optimizer, params[0])])
    assert len(age.unique()) > 2


def test_density_schedule_ends_at_the_final_density_within_one_interval():
    params = make_params(shapes=((50, 20),))
    optimizer = NanoAdam(
        params, density=0.5, final_density=0.1, total_steps=40, mask_interval=3, density_interval=10
    )
    counts = []
    for step in range(45):
        train(params, optimizer, 1, first=step)
        counts.append(len(selected(optimizer, params[0])))
    assert counts[:31:10] == [500, 400, 300, 200]
    assert counts[40:] == [100] * 5
    assert all(counts[step] == counts[step - step % 10] for step in range(45))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"moment_policy": "reset"},
        {"moment_policy": "slot"},
        {"state_dtype": "bfloat16"},
        {"select": "random"},
        {"density": 1.0, "state_dtype": "bfloat16"},
        {"final_density": 0.1, "total_steps": 20, "density_interval": 3},
    ],
)
def test_saving_and_loading_inside_an_interval_changes_no_bit(options, tmp_path):
    options = {
        "density": 0.3,
        "mask_interval": 5,
        "chunk_size": 30,
        "lr": 0.05,
        "seed": 2,
        **options,
    }
    whole, resumed = make_params(), make_params()
    optimizer = NanoAdam(whole, **options)
    train(whole, optimizer, 19)
    first = NanoAdam(resumed, **options)
    train(resumed, first, 8)
    torch.save(first.state_dict(), tmp_path / "state.pt")
    second = NanoAdam(resumed, lr=1.0)
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    train(resumed, second, 11, first=8)
    for one, other in zip(whole, resumed, strict=True):
        assert torch.equal(one, other)
        for key, value in optimizer.state[one].items():
            loaded = second.state[other][key]
            assert type(loaded) is type(value)
            assert (
                torch.equal(loaded, value) and loaded.dtype == value.dtype
                if torch.is_tensor(value)
                else loaded == value
            )


def test_a_parameter_without_gradient_is_skipped_and_keeps_its_age():
    params = make_params()
    optimizer = NanoAdam(params, mask_interval=4)
    train(params, optimizer, 3)
    frozen = params[0].detach().clone(), copy.deepcopy(optimizer.state[params[0]])
    for step in range(3, 6):
        train(params, optimizer, 1, first=step)
        params[0].data.copy_(frozen[0])
        optimizer.state[params[0]] = copy.deepcopy(frozen[1])
        params[0].grad = None
        optimizer.step()
        assert torch.equal(params[0], frozen[0])
        assert optimizer.state[params[0]]["step"] == 3
    assert optimizer.state[params[1]]["step"] == 9


def test_zero_density_trains_nothing():
    params, before = make_params(), make_params()
    optimizer = NanoAdam(params, density=0.0, lr=0.1)
    train(params, optimizer, 5)
    assert all(torch.equal(one, other) for one, other in zip(params, before, strict=True))
    assert optimizer.state[params[0]]["mean"].numel() == 0


def test_bfloat16_second_moment_grows_as_it_should_where_rounding_to_nearest_stops():
    nearest = torch.tensor(0.0, dtype=torch.bfloat16)
    param = nn.Parameter(torch.zeros(2000))
    optimizer = NanoAdam([param], density=1.0, state_dtype="bfloat16")
    for _ in range(1500):
        param.grad = torch.ones(2000)
        optimizer.step()
        nearest = (nearest.float() * 0.999 + 0.001).to(torch.bfloat16)
    expected = 1 - 0.999**1500
    assert abs(optimizer.state[param]["square"].float().mean().item() / expected - 1) < 0.02
    assert nearest < 0.7 * expected


def test_stochastic_weights_move_by_steps_that_nearest_rounding_loses():
    moved = {}
    for rounding in ("nearest", "stochastic"):
        param = nn.Parameter(torch.ones(4000, dtype=torch.bfloat16))
        optimizer = NanoAdam([param], lr=1e-4, density=1.0, weight_rounding=rounding)
        for _ in range(50):
            param.grad = torch.ones_like(param)
            optimizer.step()
        moved[rounding] = 1 - param.detach().float().mean().item()
    assert moved["nearest"] == 0
    assert abs(moved["stochastic"] / (50 * 1e-4) - 1) < 0.05


@pytest.mark.parametrize(
    ("option", "value", "bounds"),
    [
        ("lr", -1.0, "[0, inf)"),
        ("lr", math.nan, "[0, inf)"),
        ("betas", (0.9, 1.0), "[0, 1)"),
        ("betas", 0.9, "[0, 1)"),
        ("eps", -1e-8, "[0, inf)"),
        ("weight_decay", -0.1, "[0, inf)"),
        ("density", 1.5, "[0, 1]"),
        ("final_density", -0.1, "[0, 1]"),
        ("mask_interval", 0, "at least 1"),
        ("mask_interval", 1.5, "at least 1"),
        ("density_interval", 0, "at least 1"),
        ("total_steps", 0, "at least 1"),
        ("chunk_size", 0, "at least 1"),
        ("select", "smallest", "static-small"),
        ("moment_policy", "keep", "carry"),
        ("decay_scope", "none", "selected"),
        ("state_dtype", torch.int8, "bfloat16"),
        ("state_dtype", "half", "bfloat16"),
        ("seed", -1, "at least 0"),
        ("weight_rounding", "up", "stochastic"),
        ("fused", "yes", "True"),
        ("fused", 1, "True"),
        ("fused", 0, "False"),
        ("lr", True, "[0, inf)"),
        ("lr", torch.ones(2), "[0, inf)"),
        ("weight_decay", "0.1", "[0, inf)"),
        ("density", "0.1", "[0, 1]"),
        ("density", False, "[0, 1]"),
    ],
)
def test_a_bad_option_is_named_with_its_value_and_its_range(option, value, bounds):
    for make in (
        lambda: NanoAdam(make_params(), **{option: value}),
        lambda: NanoAdam([{"params": make_params(), option: value}]),
    ):
        with pytest.raises(ValueError, match=option) as caught:
            make()
        message = str(caught.value)
        assert bounds in message
        assert (repr(value) if option != "betas" or value == 0.9 else "1.0") in message


def test_a_density_schedule_needs_its_length_and_a_selection_that_changes():
    with pytest.raises(ValueError, match="total_steps"):
        NanoAdam(make_params(), final_density=0.1)
    with pytest.raises(ValueError, match="static-small"):
        NanoAdam(make_params(), final_density=0.1, total_steps=5, select="static-small")


def test_ages_cannot_be_asked_for_after_a_start_without_them():
    param = nn.Parameter(torch.linspace(-1, 1, 100))
    param.grad = torch.ones(100)
    optimizer = NanoAdam([param], density=0.5, mask_interval=2, moment_policy="reset")
    optimizer.step()
    optimizer.param_groups[0].update(moment_policy="carry", mask_interval=1)
    with pytest.raises(ValueError, match=r"moment_policy cannot become 'carry' .*1 steps ago"):
        optimizer.step()
    optimizer.state.clear()
    optimizer.step()
