"""The claims on the mechanism."""

from dataclasses import replace

import pytest
from made_probes import three_probes

from nanocl.studies.mechanism import claims
from nanocl.studies.mechanism.groups import groups


@pytest.fixture
def root(tmp_path):
    return three_probes(tmp_path)


def test_a_claim_is_judged_over_the_seeds_of_the_streams_of_one_strategy(root):
    scratch = next(group for group in groups(root) if group.start == "from scratch")
    few = dict(enumerate((0.5, 0.6, 0.55, 0.45, 0.5)))
    streams = [replace(scratch, name=name, start="pretrained", overlaps=few) for name in "ab"]
    finetuned, from_scratch = claims.probe_claims([*streams, scratch])
    assert finetuned.verdict == "does not hold"
    assert list(finetuned.findings) == ["a, pretrained", "b, pretrained"]
    assert from_scratch.findings["split-digits adamw, from scratch"][0].effect is None
    assert [claim.verdict for claim in claims.probe_claims([])] == ["not measured"] * 2
