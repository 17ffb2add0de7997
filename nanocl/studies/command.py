"""A call of `python -m nanocl.run` for a protocol that has a study."""

from __future__ import annotations

import sys

from nanocl.cli.commandline import Call
from nanocl.engine import processes
from nanocl.protocols.shards import WHOLE
from nanocl.records import UserError
from nanocl.studies.study import TrainedStudy


def run(study: TrainedStudy, asked: Call) -> int:
    """Run what is not measured yet, or list it; returns the exit code.

    Raises:
        UserError: An option that the study does not take.
    """
    request = asked.request
    for option, value in (
        ("--set", request.settings),
        ("--model", request.model),
        ("--scenario", request.scenario),
        ("--shard", asked.machines.shard != WHOLE),
        ("--engine ray", asked.machines.engine == "ray"),
        ("--evaluate", request.evaluate),
        ("--track-every", request.track_every),
        ("--set probe.magnitude=true", asked.probe),
        ("--log", asked.log),
    ):
        if value:
            raise UserError(
                f"the study of {request.stream} takes no {option}; name strategies with "
                "--strategy to run them one by one"
            )
    tier = request.tier
    seeds = request.seeds
    for path in study.damaged(asked.results_root, tier=tier, seeds=seeds):
        print(f"nanocl: ignoring damaged record {path}; re-running", file=sys.stderr)
    if asked.dry_run:
        parts = study.listing(asked.results_root, tier=tier, seeds=seeds)
        for digest, words, measured in parts:
            print(f"{'measured' if measured else 'to run':<9} {digest}  {words}")
        print(f"{len(parts)} parts of the study, {sum(part[2] for part in parts)} measured")
        return 0
    from nanocl.cli.progress import StudyDisplay  # here, because it loads rich

    workers = asked.machines.workers or processes.cores()
    with StudyDisplay(f"study {request.stream}") as display:
        text = study.run(
            asked.results_root,
            workers,
            display.update,
            tier=tier,
            seeds=seeds,
            force=asked.force,
        )
    print(text)
    return 0
