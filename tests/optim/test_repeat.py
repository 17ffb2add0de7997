"""Repeated steps equal ordinary ones, whatever changes between two steps."""

import copy
import pickle

import pytest
import torch
from torch import nn

from nanocl.optim import LIFT, MoFO, NanoAdam, PaFi

SIZES = ((40, 30), (70,), (3, 5, 7))


def nothing(params, optimizer):
    pass


def another_lr(params, optimizer):
    optimizer.param_groups[0]["lr"] = 0.03


def lr_in_a_tensor(params, optimizer):
    optimizer.param_groups[0]["lr"] = torch.tensor(0.02)


def other_betas(params, optimizer):
    optimizer.param_groups[0]["betas"] = (0.8, 0.9)


def shorter_interval(params, optimizer):
    optimizer.param_groups[0]["mask_interval"] = 2


def decay_of_selected(params, optimizer):
    optimizer.param_groups[0]["weight_decay"] = 0.1


def decay_of_all(params, optimizer):
    optimizer.param_groups[0].update(weight_decay=0.1, decay_scope="all")


def random_rounding(params, optimizer):
    optimizer.param_groups[0]["weight_rounding"] = "stochastic"


def another_selection(params, optimizer):
    optimizer.param_groups[0]["select"] = "large"


def plain(params, optimizer):
    optimizer.param_groups[0]["fused"] = False


def no_gradient(params, optimizer):
    params[1].grad = None


def no_last_gradient(params, optimizer):
    params[-1].grad = None


def gradient_in_another_layout(params, optimizer):
    params[0].grad = params[0].grad.T.contiguous().T


def parameter_in_other_memory(params, optimizer):
    params[0].data = params[0].data.clone()


def double_precision(params, optimizer):
    gradient, params[1].grad = params[1].grad, None
    params[1].data = params[1].data.double()
    params[1].grad = gradient.double()


def no_state(params, optimizer):
    optimizer.state.clear()


def state_of_one_gone(params, optimizer):
    del optimizer.state[params[2]]


def other_moments(params, optimizer):
    optimizer.state[params[0]]["mean"] = optimizer.state[params[0]]["mean"] * 2


def state_loaded(params, optimizer):
    optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))


def parameter_replaced(params, optimizer):
    new = nn.Parameter(params[1].detach().clone())
    new.grad = params[1].grad
    optimizer.param_groups[0]["params"][1] = params[1] = new


def parameter_gone(params, optimizer):
    del optimizer.param_groups[0]["params"][1]


def order_turned(params, optimizer):
    optimizer.param_groups[0]["params"].reverse()


def new_group(params, optimizer):
    params.append(nn.Parameter(torch.linspace(-1, 1, 50)))
    params[-1].grad = torch.ones(50)
    optimizer.add_param_group({"params": [params[-1]], "density": 1.0})


EVENTS = (
    nothing,
    another_lr,
    lr_in_a_tensor,
    other_betas,
    shorter_interval,
    decay_of_selected,
    decay_of_all,
    another_selection,
    plain,
    no_gradient,
    no_last_gradient,
    gradient_in_another_layout,
    parameter_in_other_memory,
    double_precision,
    no_state,
    state_of_one_gone,
    other_moments,
    state_loaded,
    parameter_replaced,
    parameter_gone,
    order_turned,
    new_group,
)
MAKERS = {
    "small": lambda params: NanoAdam(params, 0.01, density=0.3, mask_interval=4),
    "reset": lambda params: NanoAdam(
        params, 0.01, density=0.3, mask_interval=4, moment_policy="reset"
    ),
    "dense": lambda params: NanoAdam(params, 0.01, density=1.0),
}


def trajectory(make, event, *, repeat, steps=11, dtype=torch.float32):
    """Parameters and states after some steps, with an event after the first new selection."""
    generator = torch.Generator().manual_seed(0)
    params = [nn.Parameter(torch.randn(size, generator=generator).to(dtype)) for size in SIZES]
    optimizer = make(params)
    repeated = 0
    for step in range(steps):
        for param in params:
            param.grad = torch.randn(param.shape, generator=generator).to(param.dtype)
        if step == 5:
            event(params, optimizer)
        if not repeat:
            optimizer._repeated.clear()
        kept = list(optimizer._repeated.values())
        optimizer.step()
        repeated += sum(one is other for one in kept for other in optimizer._repeated.values())
    return params, [optimizer.state[param] for param in params], repeated


def same(one, other):
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_repeated_steps_are_the_ordinary_ones_whatever_happens_between_them(make, event):
    params, states, repeated = trajectory(make, event, repeat=True)
    expected, expected_states, never = trajectory(make, event, repeat=False)
    assert repeated > never == 0
    assert all(map(same, params, expected))
    for state, other in zip(states, expected_states, strict=True):
        assert state.keys() == other.keys() and all(same(state[key], other[key]) for key in state)


def lower_density(params, optimizer):
    optimizer.param_groups[0]["density"] = 0.2


OTHERS = {
    "LIFT": lambda params: LIFT(params, 0.01, density=0.3, mask_interval=4),
    "PaFi": lambda params: PaFi(params, 0.01, density=0.3),
    "MoFO": lambda params: MoFO(params, 0.01, density=1.0, decay_scope="selected"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_the_other_optimizers_on_a_selection_repeat_their_steps_too(name):
    make = OTHERS[name]
    event = another_lr if name == "PaFi" else lower_density  # PaFi selects once
    params, _, repeated = trajectory(make, event, repeat=True)
    expected, _, _ = trajectory(make, event, repeat=False)
    assert repeated > 0 and all(map(same, params, expected))


def test_steps_with_random_bits_are_never_repeated_since_each_needs_its_own():
    make = MAKERS["small"]
    params, _, repeated = trajectory(make, random_rounding, repeat=True, dtype=torch.bfloat16)
    expected, _, _ = trajectory(make, random_rounding, repeat=False, dtype=torch.bfloat16)
    assert repeated > 0 and all(map(same, params, expected))
    for options in ({"state_dtype": "bfloat16"}, {"weight_rounding": "stochastic"}):
        _, _, repeated = trajectory(
            lambda params, options=options: NanoAdam(params, **options), nothing, repeat=True
        )
        assert repeated == 0


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_a_copy_steps_independently(copied):
    params = [nn.Parameter(torch.linspace(-1, 1, 100))]
    optimizer = MAKERS["small"](params)
    for _ in range(3):
        params[0].grad = torch.ones(100)
        optimizer.step()
    others, other = copied((params, optimizer))
    others[0].grad = torch.ones(100)
    before = params[0].detach().clone()
    other.step()
    assert torch.equal(params[0], before)
    optimizer.step()
    assert torch.equal(params[0], others[0]) and not torch.equal(params[0], before)


def test_a_gradient_that_was_made_for_another_size_is_refused_in_a_repeated_step_too():
    param = nn.Parameter(torch.ones(100))
    optimizer = MAKERS["small"]([param])
    for _ in range(3):
        param.grad = torch.ones(100)
        optimizer.step()
    assert optimizer._repeated
    param.data = torch.ones(10)
    param.grad = torch.ones(10)
    param.data = torch.ones(100)
    with pytest.raises(
        RuntimeError, match=r"gradient of shape \(10,\) for a parameter of shape \(100,\)"
    ):
        optimizer.step()
