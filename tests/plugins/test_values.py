"""A value becomes the first declared type that it fits, or is refused with the types."""

import pytest

from nanocl.plugins.values import UnknownOption, convert


@pytest.mark.parametrize(
    ("value", "types", "expected"),
    [
        ("3", ("int",), 3),
        ("3", ("float",), 3.0),
        ("none", ("None", "float"), None),
        ("off", ("bool",), False),
        ("1e-3", ("int", "float"), 0.001),
        ("cat", ("int", "str"), "cat"),
    ],
)
def test_a_value_is_converted_to_the_first_type_that_fits(value, types, expected):
    converted = convert("a.b", value, types)
    assert converted == expected and type(converted) is type(expected)


@pytest.mark.parametrize("value", ["x", True, "nan", "inf"])
def test_a_value_that_fits_no_type_is_refused_with_the_types(value):
    with pytest.raises(UnknownOption, match=r"a.b must be of type int or float \(finite\), got"):
        convert("a.b", value, ("int", "float"))
