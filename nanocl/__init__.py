"""nanocl: which optimizer or strategy forgets least on a stream of tasks, and at what cost.

    import nanocl

    results = nanocl.run("split-digits", ["adamw", "er"], tier="smoke", seeds=2)
    print(results)
    results.to_pandas()

Names are loaded when they are first used: `import nanocl` is instant and loads no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_MODULES = {
    "nanocl.api.arrays": (
        "average_accuracy",
        "average_incremental_accuracy",
        "backward_transfer",
        "first_minus_last",
        "forgetting",
        "forward_transfer",
        "gap_to_joint",
        "intransigence",
        "learning_accuracy",
        "minimum_accuracy",
    ),
    "nanocl.api.listing": ("list_plugins",),
    "nanocl.api.results": ("Results", "load_results"),
    "nanocl.api.running": ("RunsFailed",),
    "nanocl.api.weights": ("StateDrift", "drift"),
    "nanocl.records": ("RunResult", "UserError"),
    "nanocl.reporting.columns": ("Undefined",),
    "nanocl.strategies": ("Strategy",),
    "nanocl.streams": ("Stream",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

if TYPE_CHECKING:
    from nanocl.api.arrays import average_accuracy as average_accuracy
    from nanocl.api.arrays import average_incremental_accuracy as average_incremental_accuracy
    from nanocl.api.arrays import backward_transfer as backward_transfer
    from nanocl.api.arrays import first_minus_last as first_minus_last
    from nanocl.api.arrays import forgetting as forgetting
    from nanocl.api.arrays import forward_transfer as forward_transfer
    from nanocl.api.arrays import gap_to_joint as gap_to_joint
    from nanocl.api.arrays import intransigence as intransigence
    from nanocl.api.arrays import learning_accuracy as learning_accuracy
    from nanocl.api.arrays import minimum_accuracy as minimum_accuracy
    from nanocl.api.listing import list_plugins as list_plugins
    from nanocl.api.results import Results as Results
    from nanocl.api.results import load_results as load_results
    from nanocl.api.running import RunsFailed as RunsFailed
    from nanocl.api.running import run as run
    from nanocl.api.weights import StateDrift as StateDrift
    from nanocl.api.weights import drift as drift
    from nanocl.records import RunResult as RunResult
    from nanocl.records import UserError as UserError
    from nanocl.reporting.columns import Undefined as Undefined
    from nanocl.strategies import Strategy as Strategy
    from nanocl.streams import Stream as Stream

__all__ = ["__version__", "run", *sorted(_MODULE_OF)]


def __getattr__(name: str) -> Any:
    if name == "run":  # the command's module, which can be called: both have one name
        return import_module("nanocl.run")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'nanocl' has no attribute {name!r}")
    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
