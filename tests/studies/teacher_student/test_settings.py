"""The settings and conditions of the protocol."""

import dataclasses

import pytest

from nanocl.records import UserError
from nanocl.studies.teacher_student import settings
from nanocl.studies.teacher_student.settings import Setting


@pytest.mark.parametrize("tier", ["smoke", "cpu", "paper"])
def test_the_protocol_varies_one_factor_at_a_time_around_the_papers_setting(tier):
    chosen, conditions = settings.plan(tier)
    names = [settings.label(dataclasses.asdict(setting)) for setting in chosen]
    assert names[0] == "the paper's setting" and len(set(names)) == len(names) == len(
        {s.digest for s in chosen}
    )
    assert conditions and len({c.digest for c in conditions}) == len(conditions)
    assert settings.plan(tier, seeds=(4, 5))[0][0].seeds == (4, 5)


def test_a_mistake_in_the_protocol_is_named():
    with pytest.raises(UserError, match="did you mean 'share'"):
        settings._make(Setting, {"shares": 0.1})
    with pytest.raises(UserError, match="share must be at least 0 and at most 1, got 2"):
        Setting(share=2)
    with pytest.raises(UserError, match="tier must be one of"):
        settings.plan("large")
