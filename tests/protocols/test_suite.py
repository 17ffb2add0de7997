"""A request becomes the full list of runs, complete and checked."""

from dataclasses import replace

import pytest

from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import protocol, suite
from nanocl.protocols.request import Request
from nanocl.records import RunSpec, UserError
from nanocl.records.measuring import ONCE, Measuring


def specs(**values):
    return suite.specs(Request(**values), Catalogue())


def test_the_grid_is_strategies_times_seeds_without_repeats():
    runs = specs(strategies=("adamw", "sgd", "adamw"), seeds=(0, 4))
    assert [(run.strategy_name, run.seed) for run in runs] == [
        ("adamw", 0),
        ("sgd", 0),
        ("adamw", 4),
        ("sgd", 4),
    ]


def test_the_main_job_is_36_runs_in_a_scenario_where_learners_without_replay_differ():
    runs = specs()
    assert len(runs) == 36 and {run.scenario for run in runs} == {"domain"}
    replay = {run.strategy_name for run in specs(scenario="class")}
    assert replay == {"er", "derpp", "a-gem", "joint"}


BOARDS = (
    ("rotated-mnist", "domain"),
    ("split-cifar100", "task"),
    ("split-cifar100-20", "task"),
    ("replay-fmnist", "class"),
    ("input-permuted", "domain"),
    ("two-digit-retention", "domain"),
)


@pytest.mark.parametrize(("name", "scenario"), BOARDS)
def test_a_board_has_ten_seeds_or_more_of_each_learner_and_says_what_was_cut(name, scenario):
    runs = specs(stream=name, scenario=scenario)
    learners = {repr(run.strategy) for run in runs}
    seeds = {run.seed for run in runs}
    assert len(seeds) >= 10 and len(runs) == len(learners) * len(seeds)
    assert len(learners) >= 10
    text = (protocol.folder("benchmarks") / f"{name}.toml").read_text()
    assert "# The board" in text and ("Cut to fit 2 cores" in text or name == "two-digit-retention")


def test_a_board_by_online_accuracy_is_tracked_once_an_experience_or_as_the_caller_says():
    asked = Request(stream="input-permuted")
    assert suite.measuring(asked, Catalogue()) == Measuring("last", ONCE)
    assert suite.measuring(replace(asked, track_every=50), Catalogue()).track_every == 50
    assert suite.measuring(Request(stream="split-mnist"), Catalogue()).track_every == 0


def test_a_digest_covers_everything_but_the_origin_of_the_options():
    run = specs(strategies=("adamw",), seeds=(0,))[0]
    assert replace(run, options_from="tuned").digest == run.digest
    changed = [
        replace(run, seed=1),
        replace(run, data="x"),
        replace(run, tier="paper"),
        replace(run, training=replace(run.training, epochs=99)),
    ]
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


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"stream": "split-cifarr"}, "did you mean 'split-cifar'"),
        ({"strategies": ("nanoadm",)}, "did you mean 'nanoadam'"),
        ({"strategies": ("adam+sgd",)}, "at most one part may bring an optimizer"),
        ({"strategies": ("ewc+ewc",)}, "names a strategy twice"),
        ({"model": "mpl"}, "did you mean 'mlp'"),
        ({"tier": "papers"}, "tier must be one of smoke, cpu, paper"),
        ({"scenario": "tasks"}, "did you mean 'task'"),
        ({"settings": {"adamw": {"lrr": "1"}}, "strategies": ("adamw",)}, "did you mean 'lr'"),
        (
            {"settings": {"adamw": {"lr": "fast"}}, "strategies": ("adamw",)},
            "adamw.lr must be of type float",
        ),
        (
            {"settings": {"nanoadam": {"lr": "1"}}, "strategies": ("adamw",)},
            "no part of these runs is called 'nanoadam'",
        ),
        ({"settings": {"student": {"width": "9"}}, "model": "student"}, "did you mean 'model'"),
        ({"settings": {"training": {"epoch": "1"}}}, "did you mean 'epochs'"),
        ({"settings": {"training": {"epochs": "0"}}}, "training.epochs must be at least 1, got 0"),
        ({"settings": {"stream": {"experience": "2"}}}, "did you mean 'experiences'"),
        ({"stream": "nowhere.toml"}, "cannot be read"),
        (
            {"settings": {"adamw": {"lr": "nan"}}, "strategies": ("adamw",)},
            "adamw.lr must be of type float",
        ),
        (
            {"settings": {"adamw": {"lr": "inf"}}, "strategies": ("adamw",)},
            "adamw.lr must be of type float",
        ),
        ({"seeds": range(1001)}, "at most 1000 seeds a call, got 1001"),
    ],
)
def test_a_mistake_is_named_with_what_would_be_right(values, message):
    with pytest.raises(UserError, match=message):
        specs(**values)


def test_a_name_that_is_a_protocol_and_a_family_is_proposed_once():
    with pytest.raises(UserError, match="unknown stream 'xyz'; known are") as error:
        specs(stream="xyz")
    assert str(error.value).count("teacher-student") == 1


def test_a_choice_lists_what_is_allowed_once():
    with pytest.raises(UserError) as error:
        specs(tier="nonsense")
    assert str(error.value) == "tier must be one of smoke, cpu, paper, got 'nonsense'"


def test_an_alias_is_the_same_protocol():
    assert (
        specs(stream="split-cifar")[0].shared_identity()
        == specs(stream="split-cifar10")[0].shared_identity()
    )


@pytest.mark.parametrize("name", sorted(protocol.protocols()))
def test_every_protocol_resolves_at_every_tier_and_scenario_it_supports(name):
    tables = protocol.protocols()[name]
    family = tables["stream"]["family"]
    assert set(tables["tier"]) == {"smoke", "cpu", "paper"}
    for scenario in Catalogue().plugin("streams", family).scenarios:
        for tier in tables["tier"]:
            runs = specs(stream=name, tier=tier, scenario=scenario, strategies=("adamw",))
            assert runs and runs[0].scenario == scenario


def test_epochs_set_by_hand_put_a_protocols_iterations_aside_and_both_by_hand_are_refused():
    run = specs(stream="teacher-student", settings={"training": {"epochs": "3"}})[0]
    assert (run.training.epochs, run.training.iterations) == (3, 0)
    with pytest.raises(UserError, match="exclude each other"):
        specs(settings={"training": {"epochs": "3", "iterations": "5"}})


def test_more_experiences_than_the_stream_has_are_refused():
    settings = {"training": {"experiences": "6"}}
    with pytest.raises(UserError, match="must be at most 5, the experiences of the stream, got 6"):
        suite.specs(Request(settings=settings), Catalogue())
