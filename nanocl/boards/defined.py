"""What the protocol files of this version of nanocl define, to compare records with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nanocl.plugins.catalogue import INSTALLED
from nanocl.protocols import suite
from nanocl.protocols.protocol import protocols
from nanocl.protocols.request import Request
from nanocl.records import RunSpec, UserError
from nanocl.records.measuring import Measuring

CHEAP = ("sgd",)  # needs no optional library; what rows share does not depend on the strategy


def runs(spec: RunSpec, strategies: Sequence[str] = ()) -> list[RunSpec]:
    """The runs of the protocol of a run, at its tier and in its scenario.

    Args:
        spec: The run.
        strategies: Compositions; none stands for all of the protocol.

    Raises:
        UserError: The protocol has no such tier or scenario.
    """
    request = Request(spec.protocol, tuple(strategies), tier=spec.tier, scenario=spec.scenario)
    return suite.specs(request, INSTALLED)


def measured(spec: RunSpec) -> Measuring:
    """Which experiences a run of the protocol tests, and when, if its caller asks for no other.

    Raises:
        UserError: The protocol has no such tier or scenario.
    """
    request = Request(spec.protocol, tier=spec.tier, scenario=spec.scenario)
    return suite.measuring(request, INSTALLED)


def like(defined: RunSpec, spec: RunSpec) -> RunSpec:
    """A defined run with the fingerprints of data and weights of a measured one.

    They are known only where the files are.
    """
    model = replace(
        defined.model, weights=spec.model.weights, pretrained_on=spec.model.pretrained_on
    )
    return replace(defined, data=spec.data, model=model)


def is_current(spec: RunSpec) -> bool:
    """Whether a run has the present protocol of its name."""
    if spec.protocol not in protocols():
        return False
    try:
        defined = runs(spec, CHEAP)[0]
    except UserError:
        return False
    return like(defined, spec).protocol_hash == spec.protocol_hash
