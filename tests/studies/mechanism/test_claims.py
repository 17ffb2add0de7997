"""The claims on the mechanism."""

from dataclasses import replace

import pytest
from made_probes import three_probes

from nanocl.studies.mechanism import claims
from nanocl.studies.mechanism.groups import groups
from nanocl.studies.verdicts import judge_claims


@pytest.fixture
def root(tmp_path):
    return three_probes(tmp_path)


def judged(probed):
    return judge_claims(claims.probe_claims(probed))


def test_seeds_of_one_pretrained_network_are_one_setting_and_five_decide_nothing(root):
    scratch = next(group for group in groups(root) if group.start == "from scratch")
    few = dict(enumerate((0.5, 0.6, 0.55, 0.45, 0.5)))
    streams = [replace(scratch, name=name, start="pretrained", overlaps=few) for name in "ab"]
    finetuned, from_scratch = judged([*streams, scratch])
    assert finetuned.verdict == "undecided" and finetuned.tally == "open 2 of 2 settings"
    assert "1 pretrained network for all seeds" in finetuned.claim.ran
    assert [setting.name for setting in finetuned.claim.settings] == [
        "a, pretrained",
        "b, pretrained",
    ]
    assert from_scratch.verdict == "not measured"
    assert "one network for each seed" in from_scratch.claim.ran
    assert [row.verdict for row in judged([])] == ["not measured"] * 2


def test_ten_seeds_decide_both_claims(root):
    scratch = next(group for group in groups(root) if group.start == "from scratch")
    high = {seed: 2.0 + 0.1 * (-1) ** seed for seed in range(10)}
    low = {seed: overlap / 2 for seed, overlap in high.items()}
    for overlaps, wanted in ((high, ["holds", "does not hold"]), (low, ["does not hold", "holds"])):
        pair = [
            replace(scratch, start="pretrained", overlaps=overlaps),
            replace(scratch, overlaps=overlaps),
        ]
        assert [row.verdict for row in judged(pair)] == wanted
