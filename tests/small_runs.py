"""Specs of runs that take a second, and the numbers of their results."""

import dataclasses

from nanocl.plugins.catalogue import INSTALLED
from nanocl.protocols import suite
from nanocl.protocols.request import Request
from nanocl.records import RunResult


def spec(strategy="adamw", seed=0, catalogue=INSTALLED, **values):
    request = Request(tier="smoke", strategies=(strategy,), seeds=(seed,), **values)
    return suite.specs(request, catalogue)[0]


def numbers(result: RunResult):
    return (
        result.initial,
        result.evaluation,
        result.masked,
        [dataclasses.asdict(d) for d in result.drift],
        result.function,
    )
