"""Hooks of a mini-batch, which call only the plugins that do something there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from avalanche.training.plugins import SupervisedPlugin
from avalanche.training.templates import SupervisedTemplate

Call = Callable[..., Any]


def _hook(event: str) -> Callable[..., None]:
    def hook(self: HookTemplate, **kwargs: Any) -> None:
        for call in self.calls(event):
            call(self, **kwargs)

    return hook


class HookTemplate(SupervisedTemplate):
    """Avalanche's template without calls of empty methods in each mini-batch.

    Avalanche asks every plugin at every hook. A plugin inherits an empty method for each hook, so
    that most calls do nothing, and take a tenth of the training of a small network.

    What a plugin does at a hook is looked up once an epoch, once a test, and again when plugins
    were added or removed.
    """

    plugins: list[Any]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._asked: list[Any] = []
        self._calls: dict[str, list[Call]] = {}

    def calls(self, event: str) -> list[Call]:
        """The methods of the plugins for this hook that are not empty, in order."""
        if self._asked != self.plugins:
            self._calls.clear()
            self._asked = [*self.plugins]
        if event not in self._calls:
            methods = (getattr(plugin, event, None) for plugin in self.plugins)
            self._calls[event] = [call for call in methods if call and _acts(call, event)]
        return self._calls[event]

    def _before_training_epoch(self, **kwargs: Any) -> None:
        self._calls.clear()
        super()._before_training_epoch(**kwargs)

    def _before_eval(self, **kwargs: Any) -> None:
        self._calls.clear()
        super()._before_eval(**kwargs)

    _before_training_iteration = _hook("before_training_iteration")
    _before_forward = _hook("before_forward")
    _after_forward = _hook("after_forward")
    _before_backward = _hook("before_backward")
    _after_backward = _hook("after_backward")
    _before_update = _hook("before_update")
    _after_update = _hook("after_update")
    _after_training_iteration = _hook("after_training_iteration")
    _before_eval_iteration = _hook("before_eval_iteration")
    _before_eval_forward = _hook("before_eval_forward")
    _after_eval_forward = _hook("after_eval_forward")
    _after_eval_iteration = _hook("after_eval_iteration")


def _acts(method: Call, event: str) -> bool:
    return getattr(method, "__func__", None) is not getattr(SupervisedPlugin, event)
