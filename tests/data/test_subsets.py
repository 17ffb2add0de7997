"""Names of data sets, with or without a range of classes."""

import pytest

from nanocl.data import parse_names
from nanocl.records import UserError


def test_names_keep_their_order_and_classes():
    assert parse_names("cifar10[0-4], flowers102 ,cifar10[7-7],mnist,") == [
        ("cifar10", range(5)),
        ("flowers102", None),
        ("cifar10", range(7, 8)),
        ("mnist", None),
    ]


@pytest.mark.parametrize(
    "text", ["cifar10[4-0]", "cifar10[0-4", "cifar10[0]", "[0-4]", "cifar10[0-4]x", "cifar10[-4]"]
)
def test_a_name_of_another_form_is_refused_with_the_right_form(text):
    with pytest.raises(UserError, match=r"must have the form cifar10, or cifar10\[0-4\]") as caught:
        parse_names(f"mnist,{text}")
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("text", ["", " , "])
def test_at_least_one_name_is_needed(text):
    with pytest.raises(UserError, match="at least one data set must be named"):
        parse_names(text)
