"""Constants of a plugin class, read from its text."""

import ast
from pathlib import Path

import pytest

from nanocl.plugins.constants import constants_of
from nanocl.records import UserError


def constants(body):
    return constants_of(ast.parse(f"class Mine:\n    {body}\n").body[0], Path("mine.py"))


@pytest.mark.parametrize(
    ("body", "values"),
    [
        ("version = 2", {"version": 2}),
        ("version: int = 2", {"version": 2}),
        ('scenarios = ("task",)', {"scenarios": ("task",)}),
        ('search_space = {"lr": (1e-4, 1)}', {"search_space": {"lr": (1e-4, 1)}}),
        ("other = 3", {}),
        ("version: int", {}),
    ],
)
def test_the_constants_that_nanocl_knows_are_read(body, values):
    assert constants(body) == values


@pytest.mark.parametrize(
    "body",
    [
        'search_space = {"lr": (1, 1)}',
        'search_space = {"lr": (0, 1)}',
        'search_space = {"lr": (1, 2, 3)}',
        'search_space = {"lr": 1}',
        'search_space = {"lr": (True, 2)}',
        'search_space = {"lr": (1, 1e999)}',
        "search_space = {1: (1, 2)}",
        'search_space = ("lr",)',
    ],
)
def test_a_range_is_two_numbers_above_0_the_smaller_first(body):
    with pytest.raises(UserError, match=r"Mine.search_space must be .*got"):
        constants(body)
