"""Bytes of state: the accounting of the paper, and the bytes of the records."""

import math
from dataclasses import replace

import pytest
from making import a_result, a_spec, shifted

from nanocl.footprint import paper
from nanocl.footprint.architectures import Weight
from nanocl.studies.training_cost import memory
from nanocl.studies.verdicts import judge_claims


def test_the_paper_counts_memory_as_its_own_formulas_do():
    accounts = {
        account.optimizer: account.bytes for account in paper.accounts([Weight("w", (1000, 1000))])
    }
    assert memory.accounted("adamw") == accounts["AdamW"] / 1e6
    assert memory.accounted("microadam") == accounts["MicroAdam, window 10"] / 1e6
    for index, name in (("int16", "NanoAdam, int16 indices"), ("int64", "NanoAdam, int64 indices")):
        assert memory.accounted("nanoadam", 0.01, index) == pytest.approx(accounts[name] / 1e6)


def a_run(strategy, state, protocol="split-digits", shape=(1, 8, 8), **options):
    made = a_result(a_spec(strategy, protocol=protocol, **options), shifted(0.0))
    cost = replace(made.cost, state_bytes_per_parameter=state)
    return replace(made, cost=cost, data=({**made.data[0], "shape": list(shape)},))


def measured(runs):
    """Rival to its settings in the records and their ratios."""
    rows = {}
    for claim in memory.memory_claims(runs):
        found = {one.name: math.exp(one.exact) for one in claim.settings}
        rows[claim.claim.split()[-1]] = {
            name: value for name, value in found.items() if name.startswith("measured")
        }
    return rows


def runs_of(**changed):
    return [
        a_run("adamw", 8.0, **changed),
        a_run("microadam", 0.9, **changed),
        a_run("nanoadam", 1.2, density=0.1, select="small", **changed),
        a_run("nanoadam", 9.0, density=0.1, select="large", **changed),
        a_run("microadam", 5.0, dense="norms+head", **changed),
    ]


def test_memory_is_judged_from_the_bytes_of_the_records():
    name = "measured: mlp on 1x8x8, density 10 %"
    assert measured(runs_of()) == {
        "AdamW": {name: pytest.approx(8 / 1.2)},
        "MicroAdam": {name: pytest.approx(0.9 / 1.2)},
    }
    less, more = judge_claims(memory.memory_claims(runs_of()))
    assert less.verdict == "holds" and more.verdict == "depends on the setting"


def test_copies_of_one_network_on_data_of_one_shape_are_one_setting():
    names = ("split-mnist", "split-fmnist", "permuted-mnist")
    copies = [run for name in names for run in runs_of(protocol=name, shape=(1, 28, 28))]
    for settings in measured(copies).values():
        assert list(settings) == ["measured: mlp on 1x28x28, density 10 %"]
    assert len(measured([*copies, *runs_of()])["AdamW"]) == 2
