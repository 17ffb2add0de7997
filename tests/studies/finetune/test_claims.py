"""The claims on finetuning are judged over the seeds of all sweeps."""

from dataclasses import replace

from made_sweeps import a_sweep

from nanocl.studies.claims import AGAINST, FOR, OPEN
from nanocl.studies.finetune import claims


def test_a_verdict_needs_more_seeds_than_one_protocol_of_five_has():
    def verdict(*swept):
        return next(
            c
            for c in claims.sweep_claims(swept)
            if c.claim == "NanoAdam forgets less than AdamW at equal new-task accuracy"
        )

    better, worse = a_sweep("a", nanoadam=0.05), a_sweep("b", nanoadam=-0.05)
    assert verdict(better).verdict == "undecided" and verdict().verdict == "not measured"
    assert verdict(better, a_sweep("c", nanoadam=0.04)).verdict == "holds"
    assert verdict(worse, a_sweep("c", nanoadam=-0.04)).verdict == "does not hold"
    mixed = verdict(better, worse)
    assert mixed.verdict == "depends on the setting: holds with a. Does not hold with b"
    assert [mixed.findings[name][0].state for name in "ab"] == [FOR, AGAINST]
    assert verdict(a_sweep("a"), a_sweep("c")).findings["a"][0].state == OPEN


def test_an_arm_that_no_protocol_has_is_not_measured():
    sweep = a_sweep()
    few = replace(sweep, arms={arm: sweep.arms[arm] for arm in ("adamw", "nanoadam")})
    verdict = {claim.claim: claim.verdict for claim in claims.sweep_claims([few])}
    assert verdict["NanoAdam moves the backbone less than AdamW"] == "undecided"
    assert (
        verdict["EWC on NanoAdam forgets less than EWC on AdamW at equal new-task accuracy"]
        == "not measured"
    )
