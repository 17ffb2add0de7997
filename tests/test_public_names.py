"""The names that users import: a change of one is a change of the interface."""

import importlib
import inspect

import pytest

PUBLIC = {
    "nanocl": {
        "Results",
        "RunResult",
        "RunsFailed",
        "StateDrift",
        "Stream",
        "Strategy",
        "Undefined",
        "UserError",
        "__version__",
        "average_accuracy",
        "average_incremental_accuracy",
        "backward_transfer",
        "drift",
        "first_minus_last",
        "forgetting",
        "forward_transfer",
        "gap_to_joint",
        "intransigence",
        "learning_accuracy",
        "list_plugins",
        "load_results",
        "minimum_accuracy",
        "run",
    },
    "nanocl.optim": {
        "CLASSP",
        "CautiousAdamW",
        "LIFT",
        "LowRankAdamW",
        "MicroAdam",
        "MoFO",
        "NanoAdam",
        "PaFi",
        "StepInBackward",
        "dense_groups",
    },
    "nanocl.strategies": {"Strategy"},
    "nanocl.streams": {"Scenario", "Stream", "make_scenario"},
    "nanocl.testing": {
        "NotConforming",
        "SmallBackbone",
        "check_model",
        "check_optimizer",
        "check_strategy",
        "check_stream",
        "run",
        "small_learner",
        "small_stream",
    },
}
CLASSES_AND_FUNCTIONS = [
    (module, name) for module, names in PUBLIC.items() for name in sorted(names - {"__version__"})
]


@pytest.mark.parametrize("module", PUBLIC)
def test_a_module_offers_exactly_the_public_names(module):
    imported = importlib.import_module(module)
    own = {
        name
        for name, value in inspect.getmembers(imported)
        if not name.startswith("_") and getattr(value, "__module__", "").startswith(module)
    }
    assert set(getattr(imported, "__all__", own)) == PUBLIC[module]


@pytest.mark.parametrize(("module", "name"), CLASSES_AND_FUNCTIONS)
def test_a_public_name_has_a_docstring_of_its_own(module, name):
    value = getattr(importlib.import_module(module), name)
    assert vars(value).get("__doc__") if isinstance(value, type) else value.__doc__
