"""`--list` names everything that the command line takes."""

import shlex
from dataclasses import replace
from pathlib import Path

from making import a_result, a_spec

from nanocl.cli import listing
from nanocl.plugins.catalogue import INSTALLED
from nanocl.protocols.shards import Shard


def test_the_list_names_everything():
    shown = listing.plugins(INSTALLED)
    for name in (
        "split-digits",
        "split-cifar",
        "permuted-mnist",
        "teacher-student",
        "nanoadam",
        "online-ewc",
        "joint",
        "mlp",
        "resnet32",
        "torchvision",
        "lr=",
        "pretrain=DATASET",
        "pretrain_epochs=10",
    ):
        assert name in shown


def test_a_run_is_a_line_with_its_state_digest_and_options():
    run = a_spec("adamw", seed=3, lr=0.1)
    line = listing.line(run, "to run")
    assert line == f"to run    {run.digest}  split-digits adamw seed 3  adamw.lr=0.1"


def test_a_shard_is_a_line_with_its_share_of_runs_and_learners():
    grid = [a_spec(name, seed) for seed in range(2) for name in ("sgd", "adamw")]
    line = listing.shard_line(Shard(1, 4), grid[:1], grid)
    assert line == "nanocl: shard 1 of 4: 1 of 4 runs, 1 of 2 learners"


def test_the_command_for_reports_names_the_results_folder_as_a_shell_takes_it():
    assert listing.report_command(Path("results")) == "python -m nanocl.report"
    command = listing.report_command(Path("my results"))
    assert shlex.split(command) == ["python", "-m", "nanocl.report", "--results", "my results"]


def test_records_of_a_folder_that_the_caller_named_are_not_said_to_be_of_somebody_else():
    ours = [a_result(a_spec(seed=seed)) for seed in range(2)]
    other = replace(ours[1], environment=replace(ours[1].environment, processor="another"))
    own, default = Path("my-results"), Path("results")
    assert listing.origin(ours, 0, own) == ""
    assert "another with torch" in listing.origin([ours[0], other], 0, own)
    assert "whoever made them" in listing.origin(ours, 1, default)
    assert listing.origin(ours, 2, default) == ""
