"""Verdicts follow from states and from one pooled test over all claims of a page."""

import itertools

import numpy as np
import pytest

from nanocl.reporting import statistics
from nanocl.studies import claims
from nanocl.studies.claims import Chapter, Claim, Setting
from nanocl.studies.rules import AGAINST, EQUAL, FOR, NOT_MEASURED, OPEN
from nanocl.studies.verdicts import (
    DEPENDS,
    DOES_NOT_HOLD,
    HOLDS,
    UNDECIDED,
    holm_of_families,
    judge,
    judge_claims,
    verdict,
)

NAN = float("nan")


def holm(p_values):
    """Holm, 1979, Scandinavian Journal of Statistics 6(2), 65-70, in the order given."""
    corrected = {}
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        own = min(1.0, (len(p_values) - rank) * p_values[place])
        corrected[place] = max([own, *corrected.values()])
    return [corrected[place] for place in range(len(p_values))]


def claim(*settings, family="", quantity=None):
    """A claim with settings a, b, ... of these values."""
    made = []
    for name, values in zip("abcdef", settings, strict=False):
        exact = values if isinstance(values, float) else None
        row = {} if exact is not None else dict(enumerate(values))
        made.append(Setting(name, row, exact))
    return Claim("c", "s", "r", quantity or claims.points("x - y"), made, family=family)


def around(mean, spread=1.0, count=10):
    return [mean + spread * (-1) ** seed for seed in range(count)]


@pytest.mark.parametrize(
    ("states", "direction", "wanted"),
    [
        ((FOR, OPEN), 1, HOLDS),
        ((FOR, OPEN), 0, UNDECIDED),
        ((FOR, FOR), -1, UNDECIDED),
        ((AGAINST, OPEN), -1, DOES_NOT_HOLD),
        ((AGAINST, OPEN), 0, UNDECIDED),
        ((EQUAL, OPEN), 0, DOES_NOT_HOLD),
        ((EQUAL, AGAINST), 0, DOES_NOT_HOLD),
        ((FOR, AGAINST), 1, DEPENDS),
        ((FOR, AGAINST), -1, DEPENDS),
        ((FOR, AGAINST), 0, UNDECIDED),
        ((FOR, EQUAL), 1, DEPENDS),
        ((OPEN, NOT_MEASURED), 1, UNDECIDED),
        ((FOR, NOT_MEASURED), NAN, HOLDS),
        ((AGAINST,), NAN, DOES_NOT_HOLD),
        ((FOR, AGAINST), NAN, DEPENDS),
        ((NOT_MEASURED,), 0, NOT_MEASURED),
        ((), 0, NOT_MEASURED),
    ],
)
def test_the_verdict_over_settings(states, direction, wanted):
    assert verdict(states, direction) == wanted


def test_clear_effects_in_opposite_directions_depend_on_the_setting_and_do_not_cancel():
    (clear,) = judge_claims([claim(around(9), around(-9))])
    assert clear.p > 0.5 and clear.verdict == DEPENDS
    assert (len(clear.settings(FOR)), len(clear.settings(AGAINST))) == (1, 1)
    # among many claims a t of 3.9 in one of the directions may be by chance
    noise = np.random.default_rng(3).normal(0, 1, size=(20, 6, 10)).tolist()
    others = [claim(*rows) for rows in noise]
    faint = claim(around(9), around(-9, 7))
    assert judge_claims([faint])[0].verdict == DEPENDS
    assert judge_claims([faint, *others])[0].verdict == UNDECIDED


def test_effects_within_the_margin_are_no_clear_effects_in_opposite_directions():
    """A setting that is `equal` stood in for one `against`, if another claim had such a one."""
    within = claim(around(9), around(-1.5, 0.1), around(-7.5, 8))
    states = [one.state for one in judge_claims([within])[0].findings]
    assert states == [FOR, EQUAL, AGAINST]
    assert judge_claims([within])[0].verdict == UNDECIDED
    supported = claim(around(3, 0.1), around(-1.5, 0.1), around(-1.5, 0.1))
    other = claim(around(9), around(-9))
    alone, beside = judge_claims([supported])[0], judge_claims([supported, other])[0]
    assert alone.verdict == beside.verdict == UNDECIDED


def test_a_claim_and_its_opposite_get_mirrored_verdicts():
    mirror = {FOR: AGAINST, AGAINST: FOR}
    generator = np.random.default_rng(0)
    seen = set()
    for _ in range(60):
        centre = generator.choice([-4, 0, 4], size=(4, 3, 1)) * generator.integers(0, 2, (4, 1, 1))
        values = (centre + generator.normal(0, 2, size=(4, 3, 10))).tolist()
        opposite = [[[-x for x in row] for row in rows] for rows in values]
        judged = judge_claims([claim(*rows) for rows in values])
        mirrored = judge_claims([claim(*rows) for rows in opposite])
        for one, other in zip(judged, mirrored, strict=True):
            states = [found.state for found in one.findings]
            assert [found.state for found in other.findings] == [mirror.get(s, s) for s in states]
            assert one.p == other.p
            seen.add(one.verdict)
            if EQUAL not in states:
                swapped = {HOLDS: DOES_NOT_HOLD, DOES_NOT_HOLD: HOLDS}
                assert other.verdict == swapped.get(one.verdict, one.verdict)
    assert seen == {HOLDS, DOES_NOT_HOLD, DEPENDS, UNDECIDED}


def test_the_pooled_test_is_that_of_plain_loops_over_all_sign_flips():
    rows = np.random.default_rng(1).normal(0.7, 1, size=(3, 2, 10)).tolist()
    means = [[(a + b) / 2 for a, b in zip(*pair, strict=True)] for pair in rows]

    def t(values):
        return abs(statistics.mean(values)) / (statistics.deviation(values) / len(values) ** 0.5)

    observed = [t(row) for row in means]
    slow = []
    for one in observed:
        # step down: the claims with a larger |t| are out
        left = [row for row, size in zip(means, observed, strict=True) if size <= one]
        flips = list(itertools.product((1, -1), repeat=10))
        hits = 0
        for signs in flips:
            flipped = [[s * v for s, v in zip(signs, row, strict=True)] for row in left]
            hits += max(map(t, flipped)) >= one - 1e-9
        slow.append(hits / len(flips))
    for place, one in enumerate(observed):
        slow[place] = max(p for p, size in zip(slow, observed, strict=True) if size >= one)
    assert [one.p for one in judge_claims([claim(*pair) for pair in rows])] == pytest.approx(slow)


def test_a_setting_that_cannot_decide_is_not_pooled():
    alone = judge_claims([claim(around(5, 2))])[0]
    with_few = judge_claims([claim(around(5, 2), around(-50, count=9))])[0]
    assert alone.p == with_few.p and with_few.verdict == HOLDS
    assert judge_claims([claim(around(50, count=9))])[0].p is None


def test_families_that_share_no_seeds_are_corrected_by_holm():
    one, two = claim(around(1, 1.2), family="x"), claim(around(1, 1.4), family="y")
    raw = [judge_claims([row])[0].p for row in (one, two)]
    both = [row.p for row in judge_claims([one, two])]
    assert both == pytest.approx(holm(raw)) and both != raw


def test_holm_of_families_with_one_hypothesis_each_is_holms_method():
    worked = holm_of_families([[0.01], [0.04], [0.03], [0.005]])
    assert [p for (p,) in worked] == pytest.approx([0.03, 0.06, 0.06, 0.02])
    generator = np.random.default_rng(2)
    for _ in range(50):
        p_values = generator.uniform(0, 0.2, size=4).tolist()
        families = holm_of_families([[p] for p in p_values])
        assert [p for (p,) in families] == pytest.approx(holm(p_values))


def test_a_family_that_is_not_rejected_as_a_whole_passes_nothing_on():
    # with a plain Holm over the smallest p-values the last one would be .03
    assert holm_of_families([[0.001, 0.9], [0.002, 0.03]]) == [[0.002, 0.9], [0.004, 0.06]]
    assert holm_of_families([[0.001, 0.01], [0.002, 0.03]]) == [[0.002, 0.02], [0.004, 0.03]]


def test_exact_values_need_no_test():
    ratio = claims.ratio("x / y")
    held, mixed = judge_claims([claim(1.0, 0.5, quantity=ratio), claim(1.0, -1.0, quantity=ratio)])
    assert (held.verdict, held.p, mixed.verdict) == (HOLDS, None, DEPENDS)


def test_reasons_and_tally_say_what_is_missing():
    empty = Claim("c", "s", "r", claims.points("x"), missing="no protocol ran it")
    few = Claim("c", "s", "r", claims.points("x"), [Setting("a", missing="why"), Setting("b")])
    first, second = judge([Chapter("one", [empty]), Chapter("two", [few])])
    assert (first[0].reasons, first[0].tally) == (["no protocol ran it"], "")
    assert second[0].reasons == ["why", "0 seeds"]
    assert second[0].tally == "not measured 2 of 2 settings"
