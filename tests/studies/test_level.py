"""How often the page errs if no claim has any effect, with the page's own claims and families."""

import math

import numpy as np
import pytest

from nanocl.studies import claims, verdicts
from nanocl.studies.claims import Claim, Setting
from nanocl.studies.finetune import decomposition
from nanocl.studies.finetune.claimed import ROWS
from nanocl.studies.rules import AGAINST, FOR
from nanocl.studies.teacher_student.claims import ONE, ONE_OR_TWO, ORDER, OWN, TWO
from nanocl.studies.verdicts import DEPENDS, DOES_NOT_HOLD, HOLDS, judge_claims

MOST = 0.03
FINETUNED = [(row.measure, 4) for row in (*ROWS, *decomposition.rows())]
TAUGHT = [
    (row.measure, settings)
    for rows, settings in ((ONE_OR_TWO, 19), (ONE, 15), (TWO, 4), (OWN, 2), (ORDER, 19))
    for row in rows
]
FAMILIES = (("finetuning", FINETUNED, 10), ("teachers", TAUGHT, 20))


def normal(generator, size):
    return generator.normal(size=size)


def log_normal(generator, size):
    """Skewed, of mean 0 and deviation 1."""
    drawn = np.exp(generator.normal(size=size)) - math.exp(0.5)
    return drawn / math.sqrt((math.e - 1) * math.e)


def a_page(generator, draw, families=FAMILIES, effect=0.0):
    """Claims whose quantities have mean 0; half of the variance is shared by those of a measure."""
    page = []
    for family, rows, seeds in families:
        shared = {id(measure): draw(generator, (19, seeds)) for measure, _ in rows}
        for place, (measure, settings) in enumerate(rows):
            own = draw(generator, (settings, seeds))
            values = 10 * (shared[id(measure)][:settings] + own) / math.sqrt(2) + effect
            made = [Setting(str(n), dict(enumerate(row))) for n, row in enumerate(values.tolist())]
            quantity = claims.points(f"x{place}")
            page.append(Claim("c", "s", "r", quantity, made, family=family))
    return page


def shares(draw, pages, families=FAMILIES, effect=0.0):
    """Share of claims that hold, of those whose verdict rests on `against`, and of bad pages."""
    generator = np.random.default_rng(0)
    holds = against = claims_seen = bad = 0
    for _ in range(pages):
        judged = judge_claims(a_page(generator, draw, families, effect))
        held = [row for row in judged if row.verdict == HOLDS]
        rests = [
            row
            for row in judged
            if row.verdict in (DOES_NOT_HOLD, DEPENDS) and row.settings(AGAINST)
        ]
        holds, against = holds + len(held), against + len(rests)
        claims_seen, bad = claims_seen + len(judged), bad + bool(held or rests)
    return holds / claims_seen, against / claims_seen, bad / pages


@pytest.mark.parametrize("draw", [normal, log_normal])
def test_without_any_effect_few_claims_of_finetuning_hold_or_are_contradicted(draw):
    holds, against, _ = shares(draw, 40, FAMILIES[:1])
    assert holds <= MOST and against <= MOST


def test_with_an_effect_of_one_deviation_most_claims_hold():
    holds, against, _ = shares(normal, 5, FAMILIES[:1], effect=10.0)
    assert holds > 0.9 and against == 0


def test_where_one_setting_has_an_effect_few_pages_find_another_one_opposed_to_it():
    """Intervals alone, without the test of all settings, oppose settings on 9 of 10 pages."""
    generator = np.random.default_rng(0)
    pages, opposed, against = 60, 0, 0
    for _ in range(pages):
        page = a_page(generator, normal, FAMILIES[:1])
        for claim in page:
            first = claim.settings[0].values
            first.update({seed: value + 40 for seed, value in first.items()})
        judged = judge_claims(page)
        against += any(row.settings(FOR) and row.settings(AGAINST) for row in judged)
        opposed += bool(verdicts._opposed(page, [row.findings for row in judged]))
    assert against > 0.5 * pages
    assert opposed <= pages * (0.05 + 3 * math.sqrt(0.05 * 0.95 / pages))


@pytest.mark.slow
@pytest.mark.parametrize("draw", [normal, log_normal])
def test_without_any_effect_few_claims_of_the_page_hold_or_are_contradicted(draw):
    pages = 300
    holds, against, bad = shares(draw, pages)
    assert holds <= MOST and against <= MOST
    if draw is normal:  # sign flips are exact there: one page in twenty errs at all
        assert bad <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / pages)
