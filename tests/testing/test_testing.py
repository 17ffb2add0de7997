"""Each conformance check fails on a plugin that breaks its one claim, and says which."""

import random
from pathlib import Path

import pytest
import torch
from torch import nn

from nanocl.data.batches import TensorDataset
from nanocl.strategies import Strategy
from nanocl.streams import Stream, make_scenario
from nanocl.testing import NotConforming, check_model, check_optimizer, check_strategy, check_stream


class Good(Strategy):
    """Nothing at all.

    Source: none.
    """


def broken(**members):
    return type("Broken", (Good,), {"__doc__": Good.__doc__, **members})


def positional(self, strength: float = 1.0):
    Strategy.__init__(self)


def without_default(self, *, strength: float):
    Strategy.__init__(self)


def of_no_plain_type(self, *, sizes: list = None):  # noqa: RUF013
    Strategy.__init__(self)


def chatty(self, strategy, **kwargs):
    print("done")


def seeding(self, strategy, **kwargs):
    torch.manual_seed(0)


def seeding_python(self, strategy, **kwargs):
    random.seed(0)


def irreproducible(self, strategy, **kwargs):
    strategy.loss = strategy.loss * random.SystemRandom().random()


def counting_on_the_class(self, strategy, **kwargs):
    type(self).count += 1


def forgetful_init(self):
    Strategy.__init__(self)
    self.kept = {object(): 0}  # no plain value: state_dict leaves it out


def forgetful_after(self, strategy, **kwargs):
    self.kept[next(iter(self.kept))] += 1


def forgetful_before(self, strategy, **kwargs):
    strategy.loss = strategy.loss * (1 + next(iter(self.kept.values())))


SHARED: list = []


def share(self):
    Strategy.__init__(self)
    self.shared = SHARED


def fill(self, strategy, **kwargs):
    self.shared.append(1)


@pytest.mark.parametrize(
    ("cls", "said"),
    [
        (broken(__doc__="Nothing."), "the docstring needs a line 'Source:'"),
        (broken(__init__=positional), "the option 'strength' must be keyword-only"),
        (broken(__init__=without_default), "the option 'strength' needs a default"),
        (broken(__init__=of_no_plain_type), "the option 'sizes' must have a type made of"),
        (broken(citation="Someone, 2020"), "citation must be BibTeX"),
        (broken(scenarios=("online",)), "scenarios must be a tuple of some of class, task, domain"),
        (
            broken(__init_subclass__=classmethod(lambda cls, **kwargs: None)),
            "a misspelt hook must be an error",
        ),
        (broken(after_training_exp=chatty), "nothing may be printed, got 'done"),
        (broken(after_training_exp=seeding), "the global generator of torch must not be seeded"),
        (
            broken(before_backward=seeding_python),
            "the global generator of random must not be seeded",
        ),
        (
            broken(before_backward=irreproducible),
            "two runs with one seed must give the same matrix",
        ),
        (
            broken(count=0, after_training_exp=counting_on_the_class),
            "training an instance must not change the class",
        ),
        (
            broken(__init__=share, before_backward=fill),
            "training one instance must not change another",
        ),
        (
            broken(
                __init__=forgetful_init,
                after_training_exp=forgetful_after,
                before_backward=forgetful_before,
            ),
            "goes on from its checkpoint must give the same matrix",
        ),
        (nn.Linear, "must be a class derived from Strategy"),
    ],
)
def test_a_broken_strategy_is_told_what_it_breaks(cls, said):
    with pytest.raises(NotConforming, match=said.replace("(", r"\(")):
        check_strategy(cls)


def test_a_good_strategy_passes():
    check_strategy(Good)


class Descent(torch.optim.Optimizer):
    """Momentum, written with every trap avoided."""

    empty = staticmethod(lambda optimizer, p: not optimizer.state[p])

    def __init__(self, params, lr=0.1):
        if not lr >= 0:
            raise ValueError(f"lr must be at least 0, got {lr}")
        super().__init__(params, {"lr": lr})

    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        with torch.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        self.update(p, group)
        return loss

    def update(self, p, group):
        if self.empty(self, p):
            self.state[p]["mean"] = torch.zeros_like(p)
        self.state[p]["mean"].mul_(0.9).add_(p.grad)
        p.sub_(group["lr"] * self.state[p]["mean"])


class Scribbler(Descent):
    def update(self, p, group):
        super().update(p, group)
        p.grad.zero_()


class Unsaved(Descent):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr)
        self.count = 0

    def update(self, p, group):
        self.count += 1
        p.sub_(group["lr"] * p.grad / self.count)


class Ungrouped(Descent):
    def update(self, p, group):
        super().update(p, {"lr": 0.1})


class Impatient(Descent):
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = torch.zeros_like(p) if p.grad is None else p.grad
                p.data.sub_(0.01 * group["lr"] * p.data)
        return super().step(closure)


class KeyMissing(Descent):
    """Starts a state when the key is missing, not when the state is empty."""

    empty = staticmethod(lambda optimizer, p: p not in optimizer.state)


class Deaf(Descent):
    def step(self, closure=None):
        return super().step()


class Careless(Descent):
    def __init__(self, params, lr=0.1):
        torch.optim.Optimizer.__init__(self, params, {"lr": lr})


@pytest.mark.parametrize(
    ("cls", "said"),
    [
        (Scribbler, "must leave the gradient as it was"),
        (Unsaved, "goes on from state_dict"),
        (Ungrouped, "with lr 0 in its group a parameter must not move"),
        (Impatient, "without gradient must be skipped"),
        (Deaf, "must call the closure"),
        (Careless, "lr=-1.0 must raise ValueError"),
    ],
)
def test_a_broken_optimizer_is_told_what_it_breaks(cls, said):
    with pytest.raises(NotConforming, match=said):
        check_optimizer(cls)


def test_an_optimizer_that_looks_for_a_missing_key_fails_where_a_head_grows():
    with pytest.raises((NotConforming, KeyError)):
        check_optimizer(KeyMissing)


def test_a_good_optimizer_passes_and_agrees_with_its_reference():
    check_optimizer(
        Descent, {"lr": 0.05}, reference=lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=0.9)
    )
    with pytest.raises(NotConforming, match="must take the steps of its reference"):
        check_optimizer(Descent, reference=torch.optim.Adam)


class Pictures(Stream):
    """Two experiences of noise.

    Source: none.
    """

    scenarios = ("class",)

    def build(self, *, scenario: str, seed: int, data_root: Path | None):
        stored = torch.rand(40, 1, 2, 2, generator=torch.Generator().manual_seed(seed))
        return self.join(
            stored,
            [self.part(stored, i, 20 * i, 20 * i + 10) for i in range(2)],
            [self.part(stored, i, 20 * i + 10, 20 * i + 20) for i in range(2)],
        )

    def part(self, stored, experience, first, last):
        rows = torch.arange(first, last)
        return TensorDataset(stored, rows, 2 * experience + rows % 2, task_label=experience)

    def join(self, stored, train, test):
        return make_scenario(kind="class", train=train, test=test, inputs=(1, 2, 2), outputs=4)


class Leaking(Pictures):
    """Tests on what it trains on.

    Source: none.
    """

    def join(self, stored, train, test):
        return super().join(stored, train, train)


class Drawing(Pictures):
    """Draws from the global generator.

    Source: none.
    """

    def part(self, stored, experience, first, last):
        torch.rand(1)
        return super().part(stored, experience, first, last)


class Changing(Pictures):
    """Other data at each call.

    Source: none.
    """

    def part(self, stored, experience, first, last):
        stored.add_(random.SystemRandom().random())
        return super().part(stored, experience, first, last)


class Overlapping(Pictures):
    """Class-incremental with shared classes.

    Source: none.
    """

    def part(self, stored, experience, first, last):
        return super().part(stored, 0, first, last)


class Misshapen(Pictures):
    """Says another shape than it has.

    Source: none.
    """

    def join(self, stored, train, test):
        return make_scenario(kind="class", train=train, test=test, inputs=(1, 4, 4), outputs=4)


@pytest.mark.parametrize(
    ("cls", "said"),
    [
        (Leaking, "is tested on samples it is trained on"),
        (Drawing, "global generator of torch must be left alone"),
        (Changing, "one seed must give the same data twice"),
        (Overlapping, "must not share classes"),
        (Misshapen, r"must have the shape \(1, 4, 4\)"),
        (nn.Linear, "must be a class derived from Stream"),
    ],
)
def test_a_broken_stream_is_told_what_it_breaks(cls, said):
    with pytest.raises(NotConforming, match=said):
        check_stream(cls)


def test_a_good_stream_passes():
    check_stream(Pictures)


class Picture(nn.Module):
    """One linear layer.

    Source: none.
    """

    def __init__(self, inputs: tuple[int, ...], *, width: int = 4) -> None:
        super().__init__()
        self.features = width
        self.layer = nn.Linear(inputs[0] * inputs[1] * inputs[2], width)

    def forward(self, images):
        return self.layer(images.flatten(1))


class Mixing(Picture):
    """Subtracts the mini-batch's mean.

    Source: none.
    """

    def forward(self, images):
        return super().forward(images - images.mean(0))


class Idle(Picture):
    """Has a layer that nothing uses.

    Source: none.
    """

    def __init__(self, inputs: tuple[int, ...]) -> None:
        super().__init__(inputs)
        self.idle = nn.Linear(2, 2)


class Wide(Picture):
    """Returns more than it says.

    Source: none.
    """

    def forward(self, images):
        return super().forward(images).repeat(1, 2)


class Moody(Picture):
    """Starts from other weights each time.

    Source: none.
    """

    def __init__(self, inputs: tuple[int, ...]) -> None:
        super().__init__(inputs)
        nn.init.constant_(self.layer.weight, random.SystemRandom().random())


@pytest.mark.parametrize(
    ("cls", "said"),
    [
        (Mixing, "the same alone and in a mini-batch"),
        (Idle, "must get a gradient, idle.weight"),
        (Wide, r"must give the shape \(6, 4\), got \(6, 8\)"),
        (Moody, "must give the same weights"),
        (torch.optim.SGD, "must be a class derived from nn.Module"),
    ],
)
def test_a_broken_model_is_told_what_it_breaks(cls, said):
    with pytest.raises(NotConforming, match=said):
        check_model(cls)


def test_a_good_model_passes():
    check_model(Picture)
