"""Options are read from the text of a class as Python itself would see them."""

import ast
import inspect

import pytest

from nanocl import optim
from nanocl.plugins import signature
from nanocl.plugins.optimizers import _own

CLASS = """
class Example:
    def __init__(self, params, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), *,
                 eps: float = 1e-8, dtype: torch.dtype | str | None = None, hook: Callable = print,
                 steps: int | None = None, untyped=3, eager: bool = False) -> None: ...
"""


def class_of(text: str) -> ast.ClassDef:
    return next(node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef))


def test_plain_arguments_are_options_and_a_tuple_is_one_option_for_each_entry():
    assert signature.plain_options(class_of(CLASS)) == {
        "lr": (("float",), 1e-3),
        "beta1": (("float",), 0.9),
        "beta2": (("float",), 0.999),
        "eps": (("float",), 1e-8),
        "dtype": (("str", "None"), None),
        "steps": (("int", "None"), None),
        "eager": (("bool",), False),
    }


@pytest.mark.parametrize("name", ["NanoAdam", "MicroAdam", "MoFO", "PaFi", "LIFT", "CLASSP"])
def test_the_defaults_read_from_text_are_those_of_the_imported_class(name):
    options = signature.plain_options(_own(name))
    for argument in inspect.signature(getattr(optim, name)).parameters.values():
        if isinstance(argument.default, tuple):
            names = signature.numbered(argument.name, len(argument.default))
            assert tuple(options[one][1] for one in names) == argument.default
        elif argument.default is not argument.empty:
            assert options[argument.name][1] == argument.default


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("betas", ["beta1", "beta2"]),
        ("ns_coefficients", ["ns_coefficient1", "ns_coefficient2"]),
        ("eps", ["eps1", "eps2"]),
        ("pair", ["pair1", "pair2"]),
    ],
)
def test_the_entries_of_a_tuple_are_numbered(name, names):
    assert signature.numbered(name, 2) == names
