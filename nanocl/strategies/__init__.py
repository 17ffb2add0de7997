"""Continual-learning strategies, one a file; the file name is the name on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from nanocl.streams import _avalanche as _avalanche  # loads Avalanche faster, so it comes first

# isort: split
from avalanche.training.plugins import SupervisedPlugin

from nanocl.plugins.state import attributes_of, load_attributes, of_attributes
from nanocl.records.ranges import nearest


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
        search_space: Options that `python -m nanocl.tune` tunes, each with the lowest and highest
            value of its logarithmic grid, such as `{"lr": (1e-4, 1e-1)}`.
    """

    citation: ClassVar[str] = ""
    scenarios: ClassVar[tuple[str, ...]] = ("class", "task", "domain")
    version: ClassVar[int] = 1
    search_space: ClassVar[Mapping[str, tuple[float, float]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in vars(cls):
            if name.startswith(("before", "after")) and not hasattr(SupervisedPlugin, name):
                hooks = [hook for hook in dir(SupervisedPlugin) if hook[:1] in "ab"]
                near = nearest(name, hooks)
                hint = f"; did you mean {near!r}?" if near else ""
                raise TypeError(f"{cls.__name__}.{name} is no hook of Avalanche's{hint}")

    @of_attributes
    def state_dict(self) -> dict[str, Any]:
        """The attributes with plain values, and the state of those that are objects.

        Plain are tensors, numbers, texts, and dicts, lists and tuples of those. Tensors with a
        graph for a backward pass are left out: they belong to one mini-batch.
        """
        return attributes_of(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        load_attributes(self, state)
