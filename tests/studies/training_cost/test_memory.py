"""Bytes of state: the accounting of the paper, and the bytes of the records."""

from dataclasses import replace

import pytest
from making import a_result, a_spec, shifted

from nanocl.footprint import paper
from nanocl.footprint.architectures import Weight
from nanocl.studies.claims import AGAINST, FOR
from nanocl.studies.training_cost import memory


def test_the_paper_counts_memory_as_its_own_formulas_do():
    accounts = {
        account.optimizer: account.bytes for account in paper.accounts([Weight("w", (1000, 1000))])
    }
    assert memory.accounted("adamw") == accounts["AdamW"] / 1e6
    assert memory.accounted("microadam") == accounts["MicroAdam, window 10"] / 1e6
    for index, name in (("int16", "NanoAdam, int16 indices"), ("int64", "NanoAdam, int64 indices")):
        assert memory.accounted("nanoadam", 0.01, index) == pytest.approx(accounts[name] / 1e6)


def test_memory_is_judged_from_the_bytes_of_the_records():
    def run(strategy, state, **options):
        made = a_result(a_spec(strategy, **options), shifted(0.0))
        return replace(made, cost=replace(made.cost, state_bytes_per_parameter=state))

    runs = [
        run("adamw", 8.0),
        run("microadam", 0.9),
        run("nanoadam", 1.2, density=0.1, select="small"),
        run("nanoadam", 9.0, density=0.1, select="large"),
    ]
    claim = memory.memory_claim(runs)
    measured = {
        setting: found
        for setting, found in claim.findings.items()
        if setting.startswith("measured")
    }
    (states,) = [[finding.state for finding in found] for found in measured.values()]
    assert states == [FOR, AGAINST] and claim.verdict.startswith("depends")
