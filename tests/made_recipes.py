"""A recipe made by hand."""

from nanocl.tuning import trials
from nanocl.tuning.choice import Trial, choose
from nanocl.tuning.recipe import Recipe
from nanocl.tuning.search import Search
from nanocl.tuning.space import Axis


def a_recipe(scores=(0.7, 0.9, 0.5), scenario="task", learner="sgd-momentum"):
    rates = (0.01, 0.1, 1.0)
    tried = [
        Trial((("sgd", "lr", rate),), {1000: score, 1001: score - 0.1}, {1000: 0.9, 1001: 0.9}, 2.0)
        for rate, score in zip(rates, scores, strict=True)
    ]
    return Recipe(
        "split-digits",
        "0a1b2c3d",
        "cpu",
        scenario,
        learner,
        "sgd",
        {"sgd": {"momentum": 0.9}},
        Search((Axis("sgd", "lr", rates),), seeds=2),
        tried,
        choose(tried),
        trials.method("validation-split"),
        "ACC",
    )
