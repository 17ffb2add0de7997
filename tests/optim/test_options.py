"""Checks of options: which values pass, and what the error says."""

import math

import pytest
import torch

from nanocl.optim._options import as_dtype, check_choice, check_integer, check_number


@pytest.mark.parametrize("value", [0, 0.5, torch.tensor(0.5), torch.tensor([0.5])])
def test_numbers_and_tensors_of_one_entry_pass(value):
    check_number("rate", value, 0.0, 1.0)


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan, True, "0.5", b"1", None, torch.ones(2)])
def test_other_values_are_refused_with_name_range_and_value(value):
    with pytest.raises(ValueError, match=r"rate must be a number in \[0, 1\], got ") as caught:
        check_number("rate", value, 0.0, 1.0)
    assert repr(value) in str(caught.value)


def test_infinity_is_outside_of_every_range():
    with pytest.raises(ValueError, match=r"\[0, inf\), got inf"):
        check_number("rate", math.inf, 0.0)


@pytest.mark.parametrize("options", [{"open_low": True}, {"open_high": True}])
def test_an_open_end_is_outside(options):
    end = 0.0 if "open_low" in options else 1.0
    check_number("rate", end, 0.0, 1.0)
    with pytest.raises(ValueError, match="rate"):
        check_number("rate", end, 0.0, 1.0, **options)


@pytest.mark.parametrize("value", [0, 6, 1.0, True, "1"])
def test_only_an_int_in_the_range_is_an_integer(value):
    check_integer("count", 5, 1, 5)
    with pytest.raises(ValueError, match=r"count must be an integer in \[1, 5\], got "):
        check_integer("count", value, 1, 5)


def test_one_is_not_a_choice_of_true():
    check_choice("fused", True, (None, True, False))
    with pytest.raises(ValueError, match="fused must be one of None, True, False, got 1"):
        check_choice("fused", 1, (None, True, False))


def test_a_dtype_has_a_name_and_none_is_the_optimizers_choice():
    assert as_dtype("state", "bfloat16") == as_dtype("state", torch.bfloat16) == torch.bfloat16
    assert as_dtype("state", None) is None
    for value in ("int8", torch.int8, "None"):
        with pytest.raises(ValueError, match="state must be one of None, float32"):
            as_dtype("state", value)
