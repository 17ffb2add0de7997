"""Each plugin is called at the hooks it implements, and at no others, as by Avalanche."""

import pytest
from avalanche.training.plugins import SupervisedPlugin
from avalanche.training.templates.base_sgd import BaseSGDTemplate

from nanocl.testing import run, small_learner, small_stream

HOOKS = [
    *("before_training_iteration", "before_forward", "after_forward", "before_backward"),
    *("after_backward", "before_update", "after_update", "after_training_iteration"),
    *("before_eval_iteration", "before_eval_forward", "after_eval_forward"),
    "after_eval_iteration",
]


def recorder(*events):
    """A plugin that notes its calls at these hooks."""
    noted = []

    def note(event):
        return lambda self, strategy, **kwargs: noted.append((self.name, event))

    cls = type("Recorder", (SupervisedPlugin,), {event: note(event) for event in events})
    plugin = cls()
    plugin.name, plugin.noted = "", noted
    return plugin


def noted_by(plugin, make_hook=None, monkeypatch=None):
    learner = small_learner(scenario := small_stream(experiences=2), [plugin])
    if make_hook:
        for event in HOOKS:
            monkeypatch.setattr(type(learner), f"_{event}", make_hook(event), raising=True)
    run(learner, scenario)
    return plugin.noted


def test_hooks_are_called_as_avalanche_calls_them(monkeypatch):
    ours = noted_by(recorder(*HOOKS))
    expected = noted_by(
        recorder(*HOOKS), lambda event: getattr(BaseSGDTemplate, f"_{event}"), monkeypatch
    )
    assert ours == expected and {event for _, event in ours} == {*HOOKS}


@pytest.mark.parametrize("event", HOOKS)
def test_an_empty_method_is_not_called(event):
    learner = small_learner(small_stream())
    first, second = recorder(event), recorder(event)
    learner.plugins = [first, SupervisedPlugin(), object(), second]
    assert [call.__self__ for call in learner.calls(event)] == [first, second]
    others = [other for other in HOOKS if other != event]
    assert [learner.calls(other) for other in others] == [[]] * len(others)


def test_a_plugin_without_a_base_class_is_called():
    learner = small_learner(small_stream())
    calls = []

    class Plain:
        def __getattr__(self, name):  # as Avalanche's EvaluationPlugin
            if name not in HOOKS:
                raise AttributeError(name)
            return lambda strategy, **kwargs: calls.append((name, kwargs))

    learner.plugins = [Plain()]
    learner._before_forward(given=1)
    assert calls == [("before_forward", {"given": 1})]


def test_plugins_that_are_added_or_removed_within_an_epoch_count_at_the_next_hook():
    learner = small_learner(small_stream())
    first, second = recorder("before_forward"), recorder("before_forward")
    learner.plugins = [first]
    learner._before_forward()
    learner.plugins.append(second)
    learner._before_forward()
    learner.plugins.remove(first)
    learner._before_forward()
    assert (len(first.noted), len(second.noted)) == (2, 2)


@pytest.mark.parametrize("begin", ["_before_training_epoch", "_before_eval"])
def test_a_method_set_on_a_plugin_is_called_from_the_next_epoch_or_test(begin):
    learner = small_learner(small_stream())
    plugin, calls = SupervisedPlugin(), []
    learner.plugins = [plugin]
    learner._before_forward()
    plugin.before_forward = lambda strategy, **kwargs: calls.append(1)
    getattr(learner, begin)()
    learner._before_forward()
    assert calls == [1]
