"""Where runs are executed, as the command line says it."""

import pytest

from nanocl.cli.commandline import call
from nanocl.cli.machines import Machines
from nanocl.protocols.shards import Shard
from nanocl.records import UserError


def test_without_arguments_it_is_this_machine_and_the_whole_grid():
    assert call([]).machines == Machines(Shard(1, 1), workers=0, runs_per_gpu=1)


def test_the_arguments_become_values():
    asked = call(["--shard", "2/3", "--workers", "4", "--runs-per-gpu", "2", "--vectorize", "off"])
    assert asked.machines == Machines(Shard(2, 3), workers=4, runs_per_gpu=2, vectorize="off")


@pytest.mark.parametrize("address", ["auto", "10.0.0.1:6379", "head.cluster.local:6379"])
def test_a_cluster_has_an_address(address):
    asked = call(["--engine", "ray", "--address", address])
    assert (asked.machines.engine, asked.machines.address) == ("ray", address)
    assert call(["--engine", "ray"]).machines.address == "auto"


@pytest.mark.parametrize(
    ("arguments", "right"),
    [
        (["--workers", "-1"], "--workers must be at least 1.*got -1"),
        (["--runs-per-gpu", "0"], "--runs-per-gpu must be at least 1, got 0"),
        (["--address", "auto"], "--address needs --engine ray, got --engine local"),
        (["--engine", "ray", "--address", "head"], "auto or HOST:PORT.*got 'head'"),
        (["--engine", "ray", "--address", "ray://head:1"], "auto or HOST:PORT.*got 'ray://head:1'"),
        (["--engine", "ray", "--vectorize", "on"], "--vectorize on needs --engine local, got"),
        (["--shard", "4/3"], "--shard takes I/N.*got '4/3'"),
    ],
)
def test_a_wrong_value_is_refused_with_what_would_be_right(arguments, right):
    with pytest.raises(UserError, match=right):
        call(arguments)
