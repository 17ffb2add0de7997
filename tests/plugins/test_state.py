"""What a checkpoint keeps of a plugin, and what it names because it cannot keep it."""

import collections
import enum
import io

import numpy
import pytest
import torch
from avalanche.training.plugins import EWCPlugin, LwFPlugin, SupervisedPlugin
from torch import nn

from nanocl.plugins.catalogue import INSTALLED
from nanocl.plugins.state import INNER, held_by, load_state, state_of, unsaved
from nanocl.strategies import Strategy
from nanocl.testing import run, small_learner, small_stream


class Count(SupervisedPlugin):
    """A plain plugin of Avalanche."""

    def __init__(self):
        super().__init__()
        self.steps, self.last = 0, {}

    def after_training_iteration(self, strategy, **kwargs):
        self.steps += 1
        self.last["loss"] = strategy.loss.detach().clone()


class Wrapping(Strategy):
    """A strategy that passes its hook on to a plugin, and holds a module and constants."""

    def __init__(self):
        super().__init__()
        self.inner, self.scale, self.kind = Count(), nn.Linear(2, 2), torch.float32

    def after_training_iteration(self, strategy, **kwargs):
        self.inner.after_training_iteration(strategy)
        nn.init.constant_(self.scale.weight, self.inner.steps)


def reread(state):
    file = io.BytesIO()
    torch.save(state, file)
    return torch.load(io.BytesIO(file.getvalue()), weights_only=True)


@pytest.mark.parametrize("cls", [Count, Wrapping])
def test_a_new_instance_has_the_state_of_the_old_one_wrapped_objects_included(cls):
    used, stream = cls(), small_stream()
    run(small_learner(stream, [used]), stream)
    assert unsaved(used) == []
    fresh = cls()
    load_state(fresh, reread(state_of(used)))
    inner, expected = (getattr(one, "inner", one) for one in (fresh, used))
    assert inner.steps == expected.steps > 0 and torch.equal(
        inner.last["loss"], expected.last["loss"]
    )
    if cls is Wrapping:
        assert torch.equal(fresh.scale.weight, used.scale.weight)


def test_what_cannot_be_kept_is_named_with_its_path():
    class Odd(Strategy):
        def __init__(self):
            super().__init__()
            self.seen, self.inner = {1, 2}, Count()
            self.inner.past = [nn.Linear(1, 1)]
            self.inner.owner = self

    assert sorted(unsaved(Odd())) == ["inner.owner", "inner.past", "seen"]
    assert [*state_of(Odd())] == []


def test_a_class_with_its_own_state_dict_answers_for_itself():
    class Own(Strategy):
        def __init__(self):
            super().__init__()
            self.seen = {1, 2}

        def state_dict(self):
            return {"seen": sorted(self.seen)}

    class Holding(Strategy):
        def __init__(self, held):
            super().__init__()
            self.held = held

    assert unsaved(Own()) == [] == unsaved(Holding(Own()))
    assert unsaved(Holding(Holding({1}))) == ["held.held"]


def test_an_object_that_training_made_is_no_silent_loss():
    class Late(Strategy):
        def __init__(self):
            super().__init__()
            self.model = None

    used = Late()
    used.model = nn.Linear(1, 1)
    with pytest.raises(ValueError, match=r"Late\.model must be made in __init__ .* got None"):
        load_state(Late(), state_of(used))


def test_avalanches_plugins_name_what_they_hold():
    stream = small_stream()
    for plugin, name in (
        (EWCPlugin(1.0), "saved_params"),
        (LwFPlugin(), "lwf.prev_classes_by_task"),
    ):
        run(small_learner(stream, [plugin]), stream)
        assert name in unsaved(plugin)


@pytest.mark.parametrize(
    "name", [n for n, p in INSTALLED.plugins("strategies").items() if not p.is_library]
)
def test_the_state_of_each_of_our_strategies_is_whole(name):
    strategy = INSTALLED.make("strategies", INSTALLED.complete("strategies", name, {}))
    stream = small_stream()
    run(small_learner(stream, [strategy]), stream)
    assert unsaved(strategy) == []


def test_a_generator_goes_on_where_it_was():
    class Draws(Strategy):
        def __init__(self):
            super().__init__()
            self.generator = torch.Generator().manual_seed(3)

    ours, other = Draws(), Draws()
    torch.rand(5, generator=ours.generator)
    load_state(other, state_of(ours))
    drawn = [torch.rand(3, generator=one.generator) for one in (ours, other)]
    assert torch.equal(*drawn) and not unsaved(ours)


def test_what_a_file_of_state_would_not_give_back_is_converted_or_unsaved(tmp_path):
    class Kind(enum.IntEnum):
        FIRST = 1

    class Mixed(Strategy):
        def __init__(self):
            super().__init__()
            self.mean, self.counts = numpy.float64(0.5), collections.defaultdict(int, a=1)

    ours, other = Mixed(), Mixed()
    ours.mean, ours.counts["b"] = numpy.float32(0.25), 7
    content = io.BytesIO()
    torch.save(state_of(ours), content)
    content.seek(0)
    load_state(other, torch.load(content, weights_only=True))
    assert (other.mean, other.counts) == (0.25, {"a": 1, "b": 7}) and other.counts["c"] == 0
    assert not unsaved(ours)
    ours.kind, ours.point = Kind.FIRST, collections.namedtuple("Point", "x y")(1, 2)
    ours.nested = collections.defaultdict(lambda: {1})
    ours.nested["x"]  # a set within
    assert sorted(unsaved(ours)) == ["kind", "nested", "point"]


def test_looking_at_a_state_copies_nothing():
    class Holds(Strategy):
        def __init__(self):
            super().__init__()
            self.anchor = {"weight": torch.zeros(5)}
            self.inner = Count()
            self.inner.square = torch.zeros(3)

    ours = Holds()
    held, saved = held_by(ours), state_of(ours)
    assert held.keys() == saved.keys()
    assert held["anchor"]["weight"] is ours.anchor["weight"]
    assert held["inner" + INNER]["square"] is ours.inner.square
    assert saved["anchor"]["weight"] is not ours.anchor["weight"]
