"""A request says what is asked, and whether it leaves the protocol."""

import pytest

from nanocl.protocols.request import Request, options_for


@pytest.mark.parametrize(
    "request_",
    [
        Request("mine.toml"),
        Request(model="mlp"),
        Request(settings={"stream": {"experiences": "2"}}),
        Request(settings={"training": {"epochs": "2"}}),
        Request(settings={"model": {"width": "2"}}),
    ],
)
def test_another_model_stream_or_training_leaves_the_protocol(request_):
    assert request_.changes_protocol


def test_a_file_is_what_its_learners_are_tuned_for_unless_nanocl_has_a_protocol_of_its_name():
    assert not Request("mine.toml").changes_what_was_tuned_for
    assert Request("somewhere/split-digits.toml").changes_what_was_tuned_for
    assert Request("mine.toml", model="mlp").changes_what_was_tuned_for
    assert not Request("split-digits").changes_what_was_tuned_for


def test_strategies_seeds_and_their_options_stay_within_the_protocol():
    request_ = Request(strategies=("sgd",), seeds=(7,), settings={"sgd": {"lr": "1"}})
    assert not request_.changes_protocol


def test_options_for_a_member_of_a_library_win_over_those_for_all():
    options = {"torch": {"lr": 1, "eps": 2}, "torch:Muon": {"lr": 3}}
    assert options_for(options, "torch:Muon") == {"lr": 3, "eps": 2}
    assert options_for(options, "torch:Adam") == {"lr": 1, "eps": 2}
    assert options_for(options, "sgd") == {}
