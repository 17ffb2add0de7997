"""The picture of all settings that were tried."""

from dataclasses import replace
from xml.etree import ElementTree

from made_recipes import a_recipe

from nanocl.tuning import figure


def test_the_picture_names_learner_option_and_method():
    root = ElementTree.fromstring(figure.sensitivity(a_recipe()))
    assert root.tag.endswith("svg")


def test_the_same_trials_give_the_same_bytes():
    assert figure.sensitivity(a_recipe()) == figure.sensitivity(a_recipe())


def test_a_setting_that_diverged_is_left_out_of_the_line():
    made = a_recipe()
    diverged = replace(made.trials[2], scores={1000: None, 1001: None})
    without = replace(made, trials=made.trials[:2])
    with_it = replace(made, trials=[*made.trials[:2], diverged])
    assert figure.sensitivity(with_it) == figure.sensitivity(without)
