"""A request becomes the full list of runs, complete and checked."""

from dataclasses import replace

import pytest

from nanocl import registry, suite
from nanocl.records import RunSpec, UserError
from nanocl.suite import Request


def specs(**values):
    return suite.specs(Request(**values))


def test_the_grid_is_strategies_times_seeds_without_repeats():
    runs = specs(strategies=("adamw", "sgd", "adamw"), seeds=(0, 4))
    assert [(run.strategy_name, run.seed) for run in runs] == [("adamw", 0), ("sgd", 0), ("adamw", 4), ("sgd", 4)]


def test_a_digest_covers_everything_but_the_recipe():
    run = specs(strategies=("adamw",), seeds=(0,))[0]
    assert replace(run, recipe="tuned").digest == run.digest
    changed = [replace(run, seed=1), replace(run, data="x"), replace(run, tier="paper"),
               replace(run, training=replace(run.training, epochs=99))]
    assert len({run.digest, *(other.digest for other in changed)}) == 5


def test_a_spec_survives_the_way_through_json():
    import json
    from dataclasses import asdict
    run = specs(strategies=("ewc+nanoadam",), seeds=(0,))[0]
    again = RunSpec.from_dict(json.loads(json.dumps(asdict(run))))
    assert again == run and again.digest == run.digest


def test_rows_of_one_protocol_share_a_hash_and_other_options_do_not():
    a, b = specs(strategies=("adamw", "sgd"), seeds=(0,))
    other = specs(strategies=("adamw",), seeds=(0,), settings={"training": {"epochs": "3"}})[0]
    assert a.protocol_hash == b.protocol_hash != other.protocol_hash


def test_a_setting_of_the_callers_wins_and_says_so():
    run = specs(strategies=("adamw",), seeds=(0,), settings={"adamw": {"lr": "0.5"}})[0]
    assert run.strategy[0].options["lr"] == 0.5 and run.recipe == "set"


@pytest.mark.parametrize(("values", "message"), [
    ({"stream": "split-cifarr"}, "did you mean 'split-cifar'"),
    ({"strategies": ("nanoadm",)}, "did you mean 'nanoadam'"),
    ({"strategies": ("adam+sgd",)}, "at most one part may bring an optimizer"),
    ({"strategies": ("ewc+ewc",)}, "names a strategy twice"),
    ({"model": "mpl"}, "did you mean 'mlp'"),
    ({"tier": "papers"}, "tier must be one of smoke, cpu, paper"),
    ({"scenario": "tasks"}, "did you mean 'task'"),
    ({"settings": {"adamw": {"lrr": "1"}}, "strategies": ("adamw",)}, "did you mean 'lr'"),
    ({"settings": {"adamw": {"lr": "fast"}}, "strategies": ("adamw",)}, "adamw.lr must be of type float"),
    ({"settings": {"nanoadam": {"lr": "1"}}, "strategies": ("adamw",)}, "no part of these runs is called 'nanoadam'"),
    ({"settings": {"training": {"epoch": "1"}}}, "did you mean 'epochs'"),
    ({"settings": {"training": {"epochs": "0"}}}, "training.epochs must be at least 1, got 0"),
    ({"settings": {"stream": {"experience": "2"}}}, "did you mean 'experiences'"),
    ({"stream": "nowhere.toml"}, "cannot be read"),
])
def test_a_mistake_is_named_with_what_would_be_right(values, message):
    with pytest.raises(UserError, match=message):
        specs(**values)


def test_an_alias_is_the_same_protocol():
    assert specs(stream="split-cifar")[0].protocol() == specs(stream="split-cifar10")[0].protocol()


@pytest.mark.parametrize("name", sorted(suite.protocols()))
def test_every_protocol_resolves_at_every_tier_and_scenario_it_supports(name):
    protocol = suite.protocols()[name]
    family = protocol["stream"]["family"]
    assert set(protocol["tier"]) == {"smoke", "cpu", "paper"}
    for scenario in registry.get("streams", family).scenarios:
        for tier in protocol["tier"]:
            runs = specs(stream=name, tier=tier, scenario=scenario, strategies=("adamw",))
            assert runs and runs[0].scenario == scenario


def test_a_tuned_recipe_is_used_for_its_tier_and_scenario_alone_and_a_setting_wins():
    tuned = specs(stream="split-mnist", scenario="task", strategies=("ewc",))[0]
    assert tuned.recipe == "tuned" and tuned.strategy[0].options["strength"] == 1000.0
    assert specs(stream="split-mnist", scenario="class", strategies=("ewc",))[0].recipe == "default"
    other = specs(stream="split-mnist", scenario="task", strategies=("ewc",), model="small-cnn")[0]
    assert other.recipe == "set", "tuned for another protocol"
    own = specs(stream="split-mnist", scenario="task", strategies=("ewc",), settings={"ewc": {"strength": "5"}})[0]
    assert own.recipe == "set" and own.strategy[0].options["strength"] == 5.0
