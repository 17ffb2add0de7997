"""The check of strategies fails on a strategy that breaks one rule, and names the rule."""

import random

import pytest
import torch
from torch import nn

from nanocl.strategies import Strategy
from nanocl.testing import NotConforming, check_strategy


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
    self.kept = {object(): 0}  # no plain value: state_dict cannot hold it


def forgetful_after(self, strategy, **kwargs):
    self.kept[next(iter(self.kept))] += 1


def forgetful_before(self, strategy, **kwargs):
    strategy.loss = strategy.loss * (1 + next(iter(self.kept.values())))


def counting_from_zero(self, strategy, **kwargs):
    self.count = 0


def counted(self, strategy, **kwargs):
    self.count += 1
    strategy.loss = strategy.loss * self.count


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
        (broken(version="2"), "version must be an integer from 1, got '2'"),
        (broken(version=0), "version must be an integer from 1, got 0"),
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
            "training one instance must not change another instance",
        ),
        (
            broken(
                __init__=forgetful_init,
                after_training_exp=forgetful_after,
                before_backward=forgetful_before,
            ),
            "a checkpoint must hold its state, but Broken.kept is no tensor",
        ),
        (
            broken(
                __init__=forgetful_init,
                after_training_exp=forgetful_after,
                before_backward=forgetful_before,
                state_dict=lambda self: {},
            ),
            "resumes from a checkpoint between two experiences must give the same matrix",
        ),
        (
            broken(
                before_training_exp=counting_from_zero,
                before_backward=counted,
                state_dict=lambda self: {},
            ),
            "resumes from a checkpoint within an experience must give the same matrix",
        ),
        (nn.Linear, "must be a class derived from Strategy"),
    ],
)
def test_a_broken_strategy_is_refused_with_the_rule_it_breaks(cls, said):
    with pytest.raises(NotConforming, match=said.replace("(", r"\(")):
        check_strategy(cls)


def test_a_good_strategy_passes():
    check_strategy(Good)
