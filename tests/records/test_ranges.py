"""A value out of its range is refused with its name, the value and the range."""

import math

import pytest

from nanocl.records import UserError, ranges


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda: ranges.number("lr", -1.0, 0), r"lr must be in \[0, inf\), got -1.0"),
        (lambda: ranges.number("lr", 0.0, 0, above=True), r"lr must be in \(0, inf\), got 0.0"),
        (lambda: ranges.number("b", 1.0, 0, 1, below=True), r"b must be in \[0, 1\), got 1.0"),
        (lambda: ranges.number("lr", math.nan, 0), "got nan"),
        (lambda: ranges.number("lr", math.inf, 0), "got inf"),
        (lambda: ranges.at_least("n", 0, 1), "n must be at least 1, got 0"),
        (lambda: ranges.share("p", 1.0), r"p must be in \[0, 1\), got 1.0"),
        (
            lambda: ranges.one_of("norm", "bach", ("none", "batch")),
            "one of none, batch, got 'bach'",
        ),
        (lambda: ranges.one_of("norm", "bach", ("none", "batch")), "did you mean 'batch'"),
    ],
)
def test_a_value_out_of_range_is_refused(check, message):
    with pytest.raises(ValueError, match=message):
        check()


def test_a_value_in_range_is_returned():
    assert ranges.number("lr", 0.1, 0) == 0.1
    assert ranges.number("b", 1.0, 0, 1) == 1.0
    assert ranges.at_least("n", 1, 1) == 1
    assert ranges.share("p", 0.0) == 0.0
    assert ranges.one_of("norm", "batch", ("none", "batch")) == "batch"


def test_the_caller_chooses_the_kind_of_error():
    with pytest.raises(UserError, match="tier must be one of"):
        ranges.one_of("tier", "cup", ("cpu",), UserError)


def test_an_unknown_name_brings_the_nearest_or_all():
    assert ranges.did_you_mean("adanw", ["sgd", "adamw"]) == "; did you mean 'adamw'?"
    assert ranges.did_you_mean("zzz", ["sgd", "adamw"]) == "; known are sgd, adamw"
    assert ranges.did_you_mean("zzz", []) == "; it has none"


@pytest.mark.parametrize(
    ("text", "device"),
    [("auto", ("auto", None)), ("cuda", ("cuda", None)), ("cuda:1", ("cuda", 1))],
)
def test_a_device_may_have_a_number(text, device):
    assert ranges.device_of(text) == device


@pytest.mark.parametrize("text", ["cuda:", "cuda:x", "cpu:1", "gpu", "mps"])
def test_what_is_no_device_is_refused(text):
    with pytest.raises(UserError, match="--device takes auto, cpu, cuda or a GPU such as cuda:1"):
        ranges.device_of(text)


def test_a_name_from_another_package_is_told_under_ours():
    assert ranges.did_you_mean("learning_rate", ["rate", "lr"]) == "; did you mean 'lr'?"
    assert ranges.did_you_mean("wd", ["weight_decay", "w"]) == "; did you mean 'weight_decay'?"
    assert "rate" in ranges.did_you_mean("learning_rate", ["rate"])
