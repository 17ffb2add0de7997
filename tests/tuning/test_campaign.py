"""The learners of one call, and what is known of each."""

import pytest
from making import a_result

from nanocl.plugins.catalogue import INSTALLED
from nanocl.protocols import suite
from nanocl.protocols.request import Request
from nanocl.records import UserError
from nanocl.reporting import metrics
from nanocl.tuning import campaign, trials
from nanocl.tuning.campaign import Campaign

PROTOCOL = """
scenario = "class"
strategies = ["fast", "er", "ewc+sgd"]
[stream]
family = "split"
data = "digits"
[arm]
fast = { strategy = "sgd", options.sgd = { momentum = 0.9 } }
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(PROTOCOL)
    return str(path)


def made(**values):
    return Campaign(
        Request(**values),
        trials.method("validation-split"),
        metrics.average_accuracy,
        INSTALLED,
    )


def test_the_learners_are_those_of_the_protocol_that_have_something_to_tune(file):
    learners = made(stream=file).learners()
    assert [learner.name for learner in learners] == ["fast", "ewc+sgd"]
    assert learners[0].composition == "sgd" and learners[0].fixed == {"sgd": {"momentum": 0.9}}
    assert campaign.budget(learners, 4).splitlines() == [
        "fast: 6 values of sgd.lr, 4 seeds",
        "ewc+sgd: 6 x 4 values of sgd.lr x ewc.strength, 4 seeds",
    ]


def test_a_learner_that_is_named_and_has_nothing_to_tune_is_refused(file):
    with pytest.raises(UserError, match="er has nothing to tune"):
        made(stream=file, strategies=("er",)).learners()


def test_the_trials_of_an_arm_keep_its_own_options(file):
    tuning = made(stream=file, strategies=("fast",))
    (learner,) = tuning.learners()
    runs = tuning.pending(learner)
    assert len({run.digest for run in runs.values()}) == 24
    for (setting, seed), run in runs.items():
        options = run.strategy[0].options
        assert (options["momentum"], options["lr"], run.seed) == (0.9, setting[0][2], seed)


def test_a_finished_learner_becomes_a_recipe_and_a_search_goes_on_from_what_is_measured(file):
    tuning = made(stream=file, strategies=("fast",))
    (learner,) = tuning.learners()
    asked = 0
    while pending := tuning.pending(learner):
        asked += 1
        key = next(iter(pending))
        better = abs(key[0][0][2] - 0.01) < 1e-9
        matrix = ((0.9, 0.0), (0.8 if better else 0.4, 0.9))
        tuning.take(learner, key, a_result(evaluation=matrix, initial=(0.1, 0.1)))
    recipe = tuning.recipe(learner)
    assert asked == recipe.runs == 24
    assert recipe.options == {"sgd": {"momentum": 0.9, "lr": 0.01}}
    assert (recipe.protocol, recipe.scenario, recipe.learner) == ("mine", "class", "fast")
    (run,) = suite.specs(Request(stream=file, strategies=("fast",), seeds=(7,)), INSTALLED)
    assert recipe.protocol_hash == run.protocol_hash


def test_the_score_is_that_of_the_protocol_unless_the_caller_names_another(file, tmp_path):
    def score(name, stream=file):
        return campaign.column(name, Request(stream=stream), INSTALLED).name

    online = tmp_path / "online.toml"
    online.write_text('score = "online_accuracy"\n' + PROTOCOL)
    assert score("") == "average_accuracy" and score("", str(online)) == "online_accuracy"
    assert score("average_incremental_accuracy", str(online)) == "average_incremental_accuracy"
    for wrong in ("acc", "forgetting"):  # higher forgetting is not better
        with pytest.raises(UserError, match="--score must be one of average_accuracy"):
            score(wrong)


def test_options_of_the_caller_hold_in_every_trial_and_stand_in_the_recipe(file):
    """Else `run` would combine the tuned option with other options than those it was tuned with."""
    settings = {"sgd": {"momentum": "0.5"}, "ewc": {"strength": "7"}}
    plain, ewc = made(stream=file, strategies=("sgd", "ewc+sgd"), settings=settings).learners()
    assert plain.fixed == {"sgd": {"momentum": 0.5}}
    assert ewc.fixed == {"sgd": {"momentum": 0.5}, "ewc": {"strength": 7.0}}
    assert [axis.option for axis in ewc.search.axes] == ["lr"]


def test_an_option_of_one_learner_does_not_hinder_the_others(file):
    settings = {"ewc": {"strength": "7"}}
    tuning = made(stream=file, strategies=("sgd", "ewc+sgd"), settings=settings)
    plain, ewc = map(tuning.pending, tuning.learners())
    assert {run.strategy_name for run in plain.values()} == {"sgd"}
    assert {run.strategy[0].options["strength"] for run in ewc.values()} == {7.0}
    with pytest.raises(UserError, match="no part of these runs is called 'ewk'"):
        made(stream=file, settings={"ewk": {"strength": "7"}}).learners()


def test_an_option_that_the_protocol_gives_is_not_tuned():
    """`run` uses that of the protocol."""
    with pytest.raises(UserError, match=r"adam has nothing to tune: .* protocol and call give"):
        made(stream="split-mnist", tier="paper", strategies=("adam",)).learners()


def test_a_composition_is_named_as_it_is_run():
    (learner,) = made(strategies=("sgd+ewc",)).learners()
    assert (learner.name, learner.composition) == ("ewc+sgd", "ewc+sgd")


def test_options_found_for_another_protocol_are_kept_apart(file, tmp_path):
    """`run` would say `tuned` of a protocol that they were not tuned for."""
    copy = tmp_path / "split-mnist.toml"
    copy.write_text(PROTOCOL)
    changed = [
        made(settings={"training": {"epochs": "1"}}),
        made(settings={"stream": {"experiences": "2"}}),
        made(model="small-cnn"),
        made(stream=str(copy)),
    ]
    assert {tuning.aside for tuning in changed} == {"changed-protocol"}
    own = [made(), made(stream=file), made(settings={"sgd": {"momentum": "0.5"}})]
    assert {tuning.aside for tuning in own} == {""}
