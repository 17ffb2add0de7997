"""Continual-learning strategies, one a file; the file name is the name on the command line."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor  # not torch: the file torch.py beside this one would take the name

from nanocl.records.ranges import nearest

_PLAIN = (bool, int, float, str, type(None), Tensor)


class Strategy(SupervisedPlugin):
    """An Avalanche plugin with options, a citation, scenarios and a state that can be saved.

    A subclass takes keyword-only options with defaults and implements any of Avalanche's hooks
    (`before_backward(self, strategy, **kwargs)`, ...). A misspelt hook raises TypeError when the
    class is defined, because Avalanche would silently never call it. A subclass may define the
    learner's optimizer in a method `make_optimizer(self, model) -> torch.optim.Optimizer`; if no
    strategy of a composition has one, the learner uses AdamW.

    Attributes:
        citation: BibTeX of the method's source.
        scenarios: Those of `class`, `task`, `domain` that it supports.
        version: Raised when a corrected formula changes numbers, so that older records no longer
            count as measured.
    """

    citation: ClassVar[str] = ""
    scenarios: ClassVar[tuple[str, ...]] = ("class", "task", "domain")
    version: ClassVar[int] = 1

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in vars(cls):
            if name.startswith(("before", "after")) and not hasattr(SupervisedPlugin, name):
                hooks = [hook for hook in dir(SupervisedPlugin) if hook[:1] in "ab"]
                near = nearest(name, hooks)
                hint = f"; did you mean {near!r}?" if near else ""
                raise TypeError(f"{cls.__name__}.{name} is no hook of Avalanche's{hint}")

    def state_dict(self) -> dict[str, Any]:
        """Every attribute that is a tensor, a plain value, or a dict, list or tuple of those.

        Tensors with a graph for a backward pass are left out: they belong to one mini-batch.
        """
        return {
            name: copy.deepcopy(value) for name, value in vars(self).items() if _is_plain(value)
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Set the attributes that `state_dict` returned."""
        self.__dict__.update(copy.deepcopy(state))


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_is_plain(k) and _is_plain(v) for k, v in value.items())
    if isinstance(value, list | tuple):
        return all(_is_plain(v) for v in value)
    return isinstance(value, _PLAIN) and getattr(value, "grad_fn", None) is None
