"""Values of command-line arguments."""

import pytest

from nanocl.cli import values
from nanocl.records import UserError


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("", ()), ("3", (0, 1, 2)), ("0,4,7", (0, 4, 7)), ("5,", (5,)), ("1,1,2", (1, 2))],
)
def test_seeds_are_a_number_or_a_list(text, seeds):
    assert values.seeds(text) == seeds


@pytest.mark.parametrize("text", ["0", "-3", "1,-2", "a", ",", "1.5"])
def test_other_seeds_are_refused(text):
    with pytest.raises(UserError, match="--seeds takes"):
        values.seeds(text)


@pytest.mark.parametrize("text", ["300000000", "1001", ",".join(map(str, range(1001)))])
def test_more_seeds_than_anybody_waits_for_are_refused_at_once(text):
    with pytest.raises(UserError, match="at most 1000 seeds"):
        values.seeds(text)


def test_settings_are_grouped_by_part():
    texts = ["sgd.lr=0.1", "torch:Muon.lr = 1", "sgd.momentum=0.9", "a.b=c=d"]
    assert values.settings(texts) == {
        "sgd": {"lr": "0.1", "momentum": "0.9"},
        "torch:Muon": {"lr": "1"},
        "a": {"b": "c=d"},
    }


@pytest.mark.parametrize(("options", "probes"), [({}, False), ({"magnitude": "TRUE"}, True)])
def test_the_probe_is_off_unless_asked_for(options, probes):
    assert values.probing(options) is probes


@pytest.mark.parametrize("options", [{"magnitude": "yes"}, {"weights": "true"}])
def test_another_option_of_the_probe_is_refused(options):
    with pytest.raises(UserError, match=r"probe\.magnitude=true or false"):
        values.probing(options)


def test_loggers_are_named_once_each():
    assert values.loggers(["csv", " wandb", "csv"]) == ("csv", "wandb")
    assert values.loggers([]) == ()


@pytest.mark.parametrize("name", ["tensorbord", "", "comet"])
def test_a_logger_that_does_not_exist_is_refused(name):
    sentence = rf"--log takes csv, tensorboard, wandb, mlflow or several of them, got '{name}'"
    with pytest.raises(UserError, match=sentence):
        values.loggers(["csv", name])
