"""What tuning found, as a file that `nanocl.run` uses."""

import tomllib
from dataclasses import replace

import pytest
from made_recipes import a_recipe

from nanocl.protocols.baselines import tuned_options
from nanocl.protocols.validation import check_baselines
from nanocl.records import UserError
from nanocl.tuning import recipe
from nanocl.tuning.choice import Trial


def entries(folder, learner="sgd-momentum"):
    path = folder / "split-digits" / f"{learner}.toml"
    values = tomllib.loads(path.read_text())
    check_baselines(values, learner, str(path))
    return values["baseline"]


def test_it_has_the_options_to_use_and_everything_that_was_tried(tmp_path):
    recipe.write(a_recipe(), tmp_path)
    (entry,) = entries(tmp_path)
    assert entry["options"] == {"sgd": {"momentum": 0.9, "lr": 0.1}}
    tuning = entry["tuning"]
    assert tuning["space"] == {"sgd.lr": [0.01, 0.1, 1.0]} and tuning["seeds"] == [1000, 1001]
    assert [one["scores"] for one in tuning["trial"]] == [[0.7, 0.6], [0.9, 0.8], [0.5, 0.4]]
    assert (tuning["runs"], tuning["cpu_seconds"]) == (6, 6.0)
    assert tuning["runner_up"] == "sgd.lr=0.01" and tuning["separable"]


def test_the_sentence_says_the_setting_the_budget_the_data_and_the_runner_up():
    assert recipe.how(a_recipe()) == (
        "sgd.lr=0.1 of 3 values of sgd.lr (6 runs, seeds 1000 to 1001) by ACC on 10 % of the "
        "training data of each experience held out: 85.00 %; sgd.lr=0.01 reached 65.00 % and is "
        "separable from it"
    )


def test_other_scenarios_stay_and_the_same_one_is_replaced(tmp_path):
    recipe.write(a_recipe(), tmp_path)
    recipe.write(a_recipe(scenario="domain"), tmp_path)
    recipe.write(a_recipe(scores=(0.95, 0.9, 0.5)), tmp_path)
    rates = {e["scenario"]: e["options"]["sgd"]["lr"] for e in entries(tmp_path)}
    assert rates == {"domain": 0.1, "task": 0.01}


def test_a_diverged_run_is_a_word_and_no_number(tmp_path):
    made = a_recipe()
    tried = [*made.trials[:2], replace(made.trials[2], scores={1000: None, 1001: 0.1})]
    recipe.write(replace(made, trials=tried), tmp_path)
    last = entries(tmp_path)[0]["tuning"]["trial"][-1]
    assert (last["mean"], last["scores"]) == ("diverged", ["diverged", 0.1])


def test_the_standard_error_is_that_of_the_mean():
    trial = Trial((), {0: 0.1, 1: 0.3}, {})
    assert recipe.standard_error(trial) == pytest.approx(0.1)
    assert recipe.standard_error(Trial((), {0: 0.1}, {})) == 0.0


def test_a_learner_of_another_library_has_a_file_name_for_every_system_that_run_finds(
    tmp_path, monkeypatch
):
    """Windows allows no colon in the name of a file."""
    monkeypatch.chdir(tmp_path)
    made = a_recipe(learner="torch:Muon")
    path = recipe.write(made, tmp_path / "baselines")
    assert path.name == "torch=Muon.toml"
    assert tuned_options("split-digits", "cpu", "task", "torch:Muon") == made.options


def test_a_mistake_in_the_file_that_is_there_is_named(tmp_path):
    path = recipe.write(a_recipe(), tmp_path)
    path.write_text('[[baseline]]\nscenario = "task"\n')
    with pytest.raises(UserError, match=r"baseline\.tier must be one of"):
        recipe.write(a_recipe(), tmp_path)


def test_a_best_value_at_an_end_of_the_grid_is_said():
    """A grid grows three times at most, so that its best value may still be at an end."""
    inside, at_end = a_recipe(), a_recipe(scores=(0.95, 0.9, 0.5))
    words = "(the best value is at an end of what was tried)"
    assert words in recipe.how(at_end) and words not in recipe.how(inside)
