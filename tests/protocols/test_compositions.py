"""A composition has one order of parts, and says where its options come from."""

import pytest

from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import baselines, suite
from nanocl.protocols.compositions import options_from
from nanocl.protocols.request import Request
from nanocl.records import Part, UserError


def specs(**values):
    return suite.specs(Request(**values), Catalogue())


def test_the_part_with_the_optimizer_comes_last_however_a_composition_is_written():
    first, second = specs(strategies=("adam+ewc", "lwf+adam+ewc"), seeds=(0,))
    assert (first.strategy_name, second.strategy_name) == ("ewc+adam", "lwf+ewc+adam")
    assert [run.digest for run in specs(strategies=("adam+ewc", "ewc+adam"), seeds=(0,))] == [
        first.digest
    ]


def test_published_are_only_compositions_that_the_protocol_lists_with_every_part_that_has_options():
    def origin(strategy, stream="split-cifar10", **values):
        return specs(stream=stream, tier="paper", strategies=(strategy,), seeds=(0,), **values)[
            0
        ].options_from

    assert (
        origin("er+sgd") == origin("sgd+er") == origin("joint+sgd") == origin("sgd") == "published"
    )
    assert origin("ewc+sgd") == origin("er") == origin("lwf+er+sgd") == "default"
    assert (
        origin("er+sgd", settings={"training": {"epochs": "1"}})
        == origin("sgd", model="mlp")
        == "set"
    )


@pytest.mark.parametrize(("tier", "origin"), [("cpu", "protocol"), ("paper", "published")])
def test_options_are_published_only_at_the_tier_that_follows_a_publication(tier, origin):
    """Rates that the author of a protocol chose for the tier `cpu` were called `published`."""
    options = {"sgd": {"lr": 0.1}}
    request = Request("split-digits", ("sgd",), tier=tier)
    assert options_from([Part("sgd", options["sgd"])], {}, options, request) == origin


def test_a_setting_of_the_callers_wins_and_says_so():
    run = specs(strategies=("adamw",), seeds=(0,), settings={"adamw": {"lr": "0.5"}})[0]
    assert run.strategy[0].options["lr"] == 0.5 and run.options_from == "set"


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ("adam+sgd", "at most one part may bring an optimizer, got adam and sgd"),
        ("ewc+ewc", "names a strategy twice"),
        ("torch:Adam+torch:SGD", "names a strategy twice"),
    ],
)
def test_parts_that_exclude_each_other_are_refused(strategy, message):
    with pytest.raises(UserError, match=message):
        specs(strategies=(strategy,), seeds=(0,))


def test_the_version_of_the_default_optimizer_counts_where_no_part_brings_one():
    """`ewc` trains with AdamW: a new version of that is another run, but not of `ewc+nanoadam`."""
    adamw = Catalogue().plugin("strategies", "adamw").version
    ewc = Catalogue().plugin("strategies", "ewc").version
    alone, with_nanoadam = specs(strategies=("ewc", "ewc+nanoadam"), seeds=(0,))
    assert adamw > 1 and alone.strategy[-1].version == ewc + adamw - 1
    assert with_nanoadam.strategy[0].version == ewc


def test_an_arm_is_tuned_by_its_recipe_and_without_one_has_default_options(tmp_path, monkeypatch):
    """Its own options only say which learner it is: on a board they made every arm `published`."""
    monkeypatch.chdir(tmp_path)

    def momentum(tier="cpu"):
        (run,) = specs(
            stream="split-mnist",
            scenario="domain",
            tier=tier,
            strategies=("sgd-momentum",),
            seeds=(0,),
        )
        return run.options_from, run.strategy[0].options["momentum"]

    monkeypatch.setattr(baselines, "_folders", lambda: [tmp_path])
    assert momentum() == ("default", 0.9)
    assert momentum("paper") == ("published", 0.9)  # the protocol gives its learning rate
    path = tmp_path / "split-mnist" / "sgd-momentum.toml"
    path.parent.mkdir()
    entry = '[[baseline]]\ntier = "{}"\nscenario = "domain"\nhow = "grid"\nstrategy = "sgd"\n'
    options = "options.sgd = { momentum = 0.9, lr = 0.3 }\n"
    path.write_text("".join(entry.format(tier) + options for tier in ("cpu", "paper")))
    assert momentum() == ("tuned", 0.9)
    assert momentum("paper") == ("published", 0.9)  # nothing of the recipe is used
