"""Values of Python become the request that the command line makes of their text."""

from pathlib import Path

import numpy
import pytest

import nanocl
from nanocl.api import arguments
from nanocl.api.naming import Names
from nanocl.plugins.catalogue import INSTALLED
from nanocl.protocols import suite
from nanocl.protocols.request import Request
from nanocl.records import UserError
from nanocl.strategies.ewc import EWC


@pytest.mark.parametrize(
    ("given", "texts"),
    [
        ((), ()),
        ("adamw", ("adamw",)),
        ("adamw, ewc+sgd", ("adamw", "ewc+sgd")),
        (["er", "ewc + adamw", EWC], ("er", "ewc+adamw", "ewc")),
        ([("er", EWC), "adamw"], ("er+ewc", "adamw")),
        (EWC, ("ewc",)),
    ],
)
def test_learners_are_compositions(given, texts):
    assert arguments.learners(given, Names()) == texts


def test_an_empty_learner_is_refused():
    with pytest.raises(UserError, match="strategies takes names such as"):
        arguments.learners([""], Names())


@pytest.mark.parametrize(
    ("given", "seeds"),
    [(None, ()), (3, (0, 1, 2)), ([4], (4,)), (range(2, 4), (2, 3)), (numpy.int64(2), (0, 1))],
)
def test_seeds_are_a_number_of_them_or_a_list(given, seeds):
    assert arguments.seeds(given) == seeds
    assert arguments.seeds(numpy.array([7, 4])) == (7, 4)


@pytest.mark.parametrize("wrong", [-1, 0, [], [-1], 2.5, [0.5], "3", True, [2**31], 10**6])
def test_other_seeds_are_refused(wrong):
    with pytest.raises(UserError, match="seeds takes"):
        arguments.seeds(wrong)


def test_plain_values_are_the_same_runs_as_their_text():
    values = {
        "adamw.lr": numpy.float64(2e-3),
        "adamw.weight_decay": 0,
        "training.epochs": numpy.int64(2),
        "stream.samples": 15,
        "training.compile": False,
        "mlp.width": 16,
    }
    values["model.width"] = values.pop("mlp.width")
    texts = {
        "adamw": {"lr": "0.002", "weight_decay": "0.0"},
        "training": {"epochs": "2", "compile": "false"},
        "stream": {"samples": "15"},
        "model": {"width": "16"},
    }
    runs = [
        suite.specs(Request(tier="smoke", strategies=("adamw",), settings=one), INSTALLED)
        for one in (arguments.settings(values), texts)
    ]
    assert runs[0] == runs[1] and runs[0][0].digest == runs[1][0].digest


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"lr": 1.0}, "'part.option'"),
        ({"adamw.lr": [[1e-3], 1e-4]}, "for strategies a list of these"),
        ({"adamw.lr": object()}, "a number, a text, True, False or None"),
        ({"probe.magnitude": True}, "probes are for the command"),
    ],
)
def test_other_settings_are_refused(wrong, said):
    with pytest.raises(UserError, match=said):
        arguments.settings(wrong)


def test_a_path_and_none_are_plain_values():
    given = {"model.weights": Path("a.pt"), "nanoadam.dense": None}
    assert arguments.settings(given) == {"model": {"weights": "a.pt"}, "nanoadam": {"dense": None}}


@pytest.mark.parametrize("wrong", [-1, 1.5, True, "2"])
def test_a_number_of_workers_is_whole(wrong):
    with pytest.raises(UserError, match="workers must be a whole number of at least 0"):
        arguments.whole("workers", wrong)


def test_errors_name_arguments_of_python():
    text = "name it with --data-root; --seeds 10 gives one; use --track-every 2, --full or a--set"
    assert arguments.in_python(text) == (
        "name it with data_root; seeds=10 gives one; use track_every=2, --full or a--set"
    )


@pytest.mark.parametrize(
    ("function", "wrong", "meant"),
    [
        ("run", {"scenaro": "task"}, "; did you mean 'scenario'"),
        ("run", {"zzz": 1}, "; known are stream, strategies, seeds"),
        ("load_results", {"pth": "results"}, "; did you mean 'path'"),
    ],
)
def test_a_misspelt_argument_is_named_with_the_one_that_was_meant(function, wrong, meant):
    (name,) = wrong
    with pytest.raises(TypeError, match=rf"^nanocl\.{function} has no argument '{name}'{meant}"):
        getattr(nanocl, function)(**wrong)


def test_a_list_is_a_sweep_and_an_explicit_option_wins_over_a_configured_class():
    configured = {"adamw": {"lr": 0.1, "weight_decay": 0.2}}
    given = {"adamw.lr": [1e-3, 1e-4], "sgd.lr": numpy.array([0.5, 0.25])}
    assert arguments.settings(given, configured) == {
        "adamw": {"lr": (1e-3, 1e-4), "weight_decay": 0.2},
        "sgd": {"lr": (0.5, 0.25)},
    }
