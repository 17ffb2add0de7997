"""Roles choose arms by learner and by the rate of the head."""

import pytest

from nanocl.studies.finetune.claimed import ROWS, SWITCHED, Role
from nanocl.studies.finetune.grids import ALONE, FIXED, FREE, TIED


@pytest.mark.parametrize(
    ("head", "fitting"),
    [("", {TIED, FREE, FIXED, ALONE}), (TIED, {TIED, ALONE}), (FREE, {FREE, FIXED, ALONE})],
)
def test_a_role_fits_its_learner_and_its_heads(head, fitting):
    role = Role("adamw", head)
    heads = (TIED, FREE, FIXED, ALONE)
    assert {one for one in heads if role.fits("adamw", one)} == fitting
    assert not any(role.fits("nanoadam", one) for one in heads)


def test_every_claim_is_made_once_and_compares_two_arms():
    texts = [row.claim for row in ROWS]
    assert len(set(texts)) == len(texts) and {row.claim for row in SWITCHED} <= set(texts)
    assert all(row.first != row.second for row in ROWS)
