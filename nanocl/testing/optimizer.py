"""Conformance of an optimizer."""

from __future__ import annotations

import copy
import inspect
import io
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from nanocl.testing._claims import claim, same_values, silence

Make = Callable[..., Optimizer]
BAD = {"lr": -1.0, "eps": -1.0, "weight_decay": -1.0, "betas": (1.5, 0.9)}


def check_optimizer(
    cls: type,
    options: Mapping[str, Any] | None = None,
    *,
    reference: Callable[..., Optimizer] | None = None,
    tolerance: float = 1e-5,
) -> None:
    """Claim that an optimizer is safe to use where models grow, runs stop and Avalanche wipes states.

    Args:
        cls: The optimizer's class; its first argument is the parameters.
        options: Its options.
        reference: Another optimizer, made with the same arguments, that must take the same steps.
        tolerance: Largest difference from the reference, relative to the largest weight.

    Raises:
        NotConforming: The first claim that does not hold, in one sentence.
    """
    claim(
        isinstance(cls, type) and issubclass(cls, Optimizer),
        f"{cls!r} must be a class derived from Optimizer",
    )
    name, make = cls.__name__, partial(cls, **(options or {}))
    with silence(cls):
        _gradient_is_left(make, name)
        _state_goes_on(make, name)
        _groups_keep_their_options(make, name)
        _missing_gradients_are_skipped(make, name)
        _state_wipe_and_growth(make, name)
        _closure_is_honoured(make, name)
        _bad_arguments_are_named(cls, dict(options or {}), name)
        if reference:
            ours, theirs = _trained(make, 12), _trained(partial(reference, **(options or {})), 12)
            largest = max(float(p.abs().max()) for p in theirs)
            claim(
                all(
                    torch.allclose(a, b, rtol=0, atol=tolerance * largest)
                    for a, b in zip(ours, theirs, strict=True)
                ),
                f"{name}: must take the steps of its reference",
            )


def _model() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(7, 9), nn.Tanh(), nn.Linear(9, 5))


def _loss(model: nn.Module, step: int) -> Tensor:
    inputs = torch.randn(6, 7, generator=torch.Generator().manual_seed(step))
    return (model(inputs) - inputs[:, :5].sin()).square().mean()


def _steps(model: nn.Module, optimizer: Optimizer, first: int, last: int) -> None:
    for step in range(first, last):
        optimizer.zero_grad()
        _loss(model, step).backward()
        optimizer.step()


def _trained(make: Make, steps: int) -> list[Tensor]:
    model = _model()
    _steps(model, make(model.parameters()), 0, steps)
    return [p.detach() for p in model.parameters()]


def _gradient_is_left(make: Make, name: str) -> None:
    model = _model()
    optimizer = make(model.parameters())
    _loss(model, 0).backward()
    before = [p.grad.clone() for p in model.parameters()]
    weights = [p.detach().clone() for p in model.parameters()]
    optimizer.step()
    after = [p.detach() for p in model.parameters()]
    claim(
        same_values([p.grad for p in model.parameters()], before),
        f"{name}: a step must leave the gradient as it was",
    )
    claim(not same_values(after, weights), f"{name}: a step must change the weights")


def _state_goes_on(make: Make, name: str) -> None:
    """Saved and read in the middle, a run goes on as if it had not stopped; dtypes survive."""
    model = _model()
    optimizer = make(model.parameters())
    _steps(model, optimizer, 0, 5)
    file = io.BytesIO()
    torch.save({"optimizer": optimizer.state_dict(), "model": model.state_dict()}, file)
    _steps(model, optimizer, 5, 12)
    saved = torch.load(io.BytesIO(file.getvalue()), weights_only=True)
    other = _model()
    other.load_state_dict(saved["model"])
    resumed = make(other.parameters())
    resumed.load_state_dict(saved["optimizer"])
    _steps(other, resumed, 5, 12)
    claim(
        same_values(dict(model.state_dict()), dict(other.state_dict())),
        f"{name}: a run that goes on from state_dict must take the same steps bit for bit",
    )


def _groups_keep_their_options(make: Make, name: str) -> None:
    model = _model()
    optimizer = make([{"params": model[0].parameters()}, {"params": model[2].parameters()}])
    optimizer.param_groups[0]["lr"] = 0.0  # as a schedule does
    before = {label: p.detach().clone() for label, p in model.named_parameters()}
    _steps(model, optimizer, 0, 3)
    moved = {label[0] for label, p in model.named_parameters() if not torch.equal(p, before[label])}
    claim(
        moved == {"2"},
        f"{name}: with lr 0 in its group a parameter must not move, and others must; "
        f"layers {', '.join(sorted(moved))} of 0 and 2 did",
    )
    extra = nn.Parameter(torch.ones(4))
    optimizer.add_param_group({"params": [extra]})
    extra.grad = torch.ones(4)
    optimizer.step()
    claim(
        not torch.equal(extra.detach(), torch.ones(4)),
        f"{name}: a group added later must be trained",
    )


def _missing_gradients_are_skipped(make: Make, name: str) -> None:
    model = _model()
    optimizer = make(model.parameters())
    before = model[0].weight.detach().clone()
    for step in range(4):
        optimizer.zero_grad()
        _loss(model, step).backward()
        model[0].weight.grad = None
        optimizer.step()
    claim(
        torch.equal(model[0].weight, before),
        f"{name}: a parameter without gradient must be skipped",
    )
    _steps(model, optimizer, 4, 6)
    claim(
        not torch.equal(model[0].weight, before),
        f"{name}: a parameter whose gradient comes late must be trained",
    )


def _state_wipe_and_growth(make: Make, name: str) -> None:
    """What Avalanche does on its first call, and when a head grows."""
    model, fresh = _model(), _model()
    optimizer = make(model.parameters())
    optimizer.state = defaultdict(dict)
    _steps(model, optimizer, 0, 3)
    _steps(fresh, make(fresh.parameters()), 0, 3)
    claim(
        same_values(dict(model.state_dict()), dict(fresh.state_dict())),
        f"{name}: after optimizer.state was replaced by an empty mapping it must start as new",
    )
    old, grown = model[2].weight, nn.Parameter(torch.zeros(8, 9))
    model[2] = nn.Linear(9, 8)
    model[2].weight = grown
    group = optimizer.param_groups[0]
    group["params"] = [*group["params"][:2], grown, model[2].bias]
    optimizer.state.pop(
        old, None
    )  # an optimizer must take an empty state for a new one, not a missing key
    optimizer.state[grown] = {}
    for _ in range(3):
        optimizer.zero_grad()
        (model(torch.ones(2, 7)) - 1).square().sum().backward()
        optimizer.step()
    claim(
        bool(grown.detach().abs().sum() > 0),
        f"{name}: a parameter that has grown must be trained from an empty state",
    )


def _closure_is_honoured(make: Make, name: str) -> None:
    model, calls = _model(), []
    optimizer = make(model.parameters())

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = _loss(model, 0)
        loss.backward()
        calls.append(loss.detach())
        return loss

    before = copy.deepcopy(model.state_dict())
    returned = optimizer.step(closure)
    claim(
        bool(calls)
        and returned is not None
        and torch.equal(torch.as_tensor(returned).detach(), calls[0]),
        f"{name}: step(closure) must call the closure with gradients enabled and return its loss",
    )
    claim(
        not same_values(dict(before), dict(model.state_dict())),
        f"{name}: step(closure) must change the weights",
    )


def _bad_arguments_are_named(cls: type, options: dict[str, Any], name: str) -> None:
    known = inspect.signature(cls).parameters
    for argument, value in BAD.items():
        if argument not in known:
            continue
        try:
            cls([nn.Parameter(torch.zeros(3))], **{**options, argument: value})
        except ValueError as error:
            shown = str(value[0] if isinstance(value, tuple) else value)
            claim(
                shown in str(error),
                f"{name}: the error for {argument}={value} must name the value, got {error}",
            )
        else:
            claim(False, f"{name}: {argument}={value} must raise ValueError")
