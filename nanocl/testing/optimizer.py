"""Conformance check of optimizers."""

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

from nanocl.plugins.state import same_values
from nanocl.testing._claims import claim, silence

Make = Callable[..., Optimizer]
BAD = {"lr": -1.0, "eps": -1.0, "weight_decay": -1.0, "betas": (1.5, 0.9)}


def check_optimizer(
    cls: type,
    options: Mapping[str, Any] | None = None,
    *,
    reference: Callable[..., Optimizer] | None = None,
    tolerance: float = 1e-5,
) -> None:
    """Check that an optimizer works where models grow, runs resume and Avalanche clears its state.

    The optimizer must

    - change the weights in a step, and leave the gradients as they are;
    - take the same steps, bit for bit, after its `state_dict` is saved and loaded;
    - read its options from the parameter groups in every step, and train groups added later;
    - skip parameters without a gradient, and train them once they have one;
    - start anew after `optimizer.state` is replaced by an empty mapping, and train a new parameter
      with an empty state: Avalanche does both;
    - call a closure with gradients enabled and return its loss;
    - reject a negative `lr`, `eps` or `weight_decay`, and `betas` above 1, by a ValueError that
      names the value, if it has these options; and print nothing.

    Args:
        cls: The optimizer's class; its first argument is the parameters.
        options: Its options.
        reference: Makes, from the same arguments, an optimizer that must take the same steps.
        tolerance: Largest difference from the reference, relative to the largest weight.

    Raises:
        NotConforming: The optimizer breaks a rule; the message states the first broken one.
    """
    claim(
        isinstance(cls, type) and issubclass(cls, Optimizer),
        f"{cls!r} must be a class derived from Optimizer",
    )
    with silence(cls):
        for rule in RULES:
            rule(partial(cls, **(options or {})), cls.__name__)
        _bad_arguments_are_named(cls, dict(options or {}))
        if reference:
            _steps_agree(cls, reference, dict(options or {}), tolerance)


class _Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(7, 9)
        self.last = nn.Linear(9, 5)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.last(torch.tanh(self.first(inputs)))


def _model() -> _Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return _Network()


def _loss(model: nn.Module, step: int) -> Tensor:
    inputs = torch.randn(6, 7, generator=torch.Generator().manual_seed(step))
    return (model(inputs) - inputs[:, :5].sin()).square().mean()


def _steps(
    model: nn.Module,
    optimizer: Optimizer,
    first: int,
    last: int,
) -> None:
    for step in range(first, last):
        optimizer.zero_grad()
        _loss(model, step).backward()
        optimizer.step()


def _trained(make: Make, steps: int) -> list[Tensor]:
    model = _model()
    _steps(model, make(model.parameters()), 0, steps)
    return [p.detach() for p in model.parameters()]


def _gradient_is_unchanged(make: Make, name: str) -> None:
    model = _model()
    optimizer = make(model.parameters())
    _loss(model, 0).backward()
    before = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    weights = [p.detach().clone() for p in model.parameters()]
    optimizer.step()
    after = [p.detach() for p in model.parameters()]
    claim(
        same_values([p.grad for p in model.parameters()], before),
        f"{name}: a step must leave the gradient as it was",
    )
    claim(not same_values(after, weights), f"{name}: a step must change the weights")


def _state_is_restored(make: Make, name: str) -> None:
    """A run that is saved and loaded after 5 of 12 steps ends as the run without interruption."""
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
        f"{name}: a run that resumes from state_dict must take the same steps bit for bit",
    )


def _groups_keep_their_options(make: Make, name: str) -> None:
    model = _model()
    groups = [{"params": layer.parameters()} for layer in (model.first, model.last)]
    optimizer = make(groups)
    optimizer.param_groups[0]["lr"] = 0.0  # as a schedule does
    before = {label: p.detach().clone() for label, p in model.named_parameters()}
    _steps(model, optimizer, 0, 3)
    changed = {
        label.split(".")[0]
        for label, p in model.named_parameters()
        if not torch.equal(p, before[label])
    }
    claim(
        changed == {"last"},
        f"{name}: a parameter with lr 0 in its group must not change, and others must; "
        f"of the layers first (lr 0) and last changed: {', '.join(sorted(changed)) or 'none'}",
    )


def _added_groups_are_trained(make: Make, name: str) -> None:
    model = _model()
    optimizer = make(model.parameters())
    _steps(model, optimizer, 0, 3)
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
    before = model.first.weight.detach().clone()
    for step in range(4):
        optimizer.zero_grad()
        _loss(model, step).backward()
        model.first.weight.grad = None
        optimizer.step()
    claim(
        torch.equal(model.first.weight, before),
        f"{name}: a parameter without a gradient must be skipped",
    )
    _steps(model, optimizer, 4, 6)
    claim(
        not torch.equal(model.first.weight, before),
        f"{name}: a parameter must be trained once it has a gradient",
    )


def _cleared_state_starts_anew(make: Make, name: str) -> None:
    """Avalanche replaces `optimizer.state` on its first call."""
    model = _model()
    fresh = _model()
    optimizer = make(model.parameters())
    optimizer.state = defaultdict(dict)
    _steps(model, optimizer, 0, 3)
    _steps(fresh, make(fresh.parameters()), 0, 3)
    claim(
        same_values(dict(model.state_dict()), dict(fresh.state_dict())),
        f"{name}: after optimizer.state was replaced by an empty mapping it must start anew",
    )


def _grown_parameters_are_trained(make: Make, name: str) -> None:
    """Avalanche replaces the parameters of a head that grows, and sets their state to `{}`."""
    model = _model()
    optimizer = make(model.parameters())
    optimizer.state = defaultdict(dict)
    _steps(model, optimizer, 0, 3)
    old = model.last.weight
    grown = nn.Parameter(torch.zeros(8, 9))
    model.last = nn.Linear(9, 8)
    model.last.weight = grown
    group = optimizer.param_groups[0]
    group["params"] = [*group["params"][:2], grown, model.last.bias]
    optimizer.state.pop(old, None)
    optimizer.state[grown] = {}  # empty, not missing
    for _ in range(3):
        optimizer.zero_grad()
        (model(torch.ones(2, 7)) - 1).square().sum().backward()
        optimizer.step()
    claim(
        bool(grown.detach().abs().sum() > 0),
        f"{name}: a parameter that replaced a smaller one must be trained from an empty state",
    )


def _closure_is_called(make: Make, name: str) -> None:
    model = _model()
    losses: list[Tensor] = []
    optimizer = make(model.parameters())

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = _loss(model, 0)
        loss.backward()
        losses.append(loss.detach())
        return loss

    before = copy.deepcopy(model.state_dict())
    # torch's stub demands a float, but its documentation returns the loss tensor
    returned = optimizer.step(closure)  # type: ignore[arg-type]
    same = returned is not None and bool(losses)
    claim(
        same and torch.equal(torch.as_tensor(returned).detach(), losses[0]),
        f"{name}: step(closure) must call the closure with gradients enabled and return its loss",
    )
    claim(
        not same_values(dict(before), dict(model.state_dict())),
        f"{name}: step(closure) must change the weights",
    )


def _bad_arguments_are_named(cls: type, options: dict[str, Any]) -> None:
    name = cls.__name__
    arguments = inspect.signature(cls).parameters
    for argument, value in BAD.items():
        if argument not in arguments:
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


RULES = (
    _gradient_is_unchanged,
    _state_is_restored,
    _groups_keep_their_options,
    _added_groups_are_trained,
    _missing_gradients_are_skipped,
    _cleared_state_starts_anew,
    _grown_parameters_are_trained,
    _closure_is_called,
)


def _steps_agree(cls: type, reference: Make, options: dict[str, Any], tolerance: float) -> None:
    steps, expected = (_trained(partial(make, **options), 12) for make in (cls, reference))
    largest = max(float(p.abs().max()) for p in expected)
    agree = [
        torch.allclose(a, b, rtol=0, atol=tolerance * largest)
        for a, b in zip(steps, expected, strict=True)
    ]
    claim(all(agree), f"{cls.__name__}: must take the steps of its reference")
