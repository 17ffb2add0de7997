"""The claims and the page of the study follow from records made by hand."""

import dataclasses
import math

import pytest

from nanocl.reporting import statistics
from nanocl.studies.teacher_student import claims, page, theorem_claims
from nanocl.studies.teacher_student.settings import ARMS, Condition, Setting
from nanocl.studies.verdicts import judge_claims

SEEDS = tuple(range(12))
COLUMNS = (*page.COLUMNS.values(), "neurons")


def a_setting(factors=(), **changed):
    """A record in which each arm has the value of its factor in every measure, with some noise."""
    setting = Setting(seeds=SEEDS, **changed)
    values = {"before": {}}
    for arm in setting.arms:
        noisy = [dict(factors).get(arm, 1.0) * math.exp(0.1 * math.sin(s)) for s in SEEDS]
        values[arm] = dict.fromkeys(COLUMNS, noisy)
    return {"setting": dataclasses.asdict(setting), "values": values}


def a_condition(slope):
    condition = Condition(seeds=SEEDS)
    epsilons = list(condition.epsilons)
    distances = [[e**slope * math.exp(0.01 * math.sin(s)) for e in epsilons] for s in SEEDS]
    times = [[1 / e for e in epsilons] for _ in SEEDS]
    columns = {
        "epsilon": [epsilons] * len(SEEDS),
        "size": [epsilons] * len(SEEDS),
        "distance": distances,
    }
    return {"condition": dataclasses.asdict(condition), "values": {**columns, "time": times}}


def verdicts(settings, conditions=()):
    rows = claims.teacher_claims(settings, conditions)
    return {row.claim.claim: row.verdict for row in judge_claims(rows)}


def test_the_smallest_weights_must_be_better_than_the_largest_gradients():
    kept, moved = (row.claim for row in (claims.ONE_OR_TWO[0], claims.ONE_OR_TWO[2]))
    better = verdicts([a_setting({"nano": 0.5})])
    assert (better[kept], better[moved]) == ("holds", "holds")
    assert better[claims.ONE_OR_TWO[1].claim] == better[claims.ORDER[0].claim] == "holds"
    assert verdicts([a_setting({"nano": 2.0})])[kept] == "does not hold"
    assert verdicts([a_setting()])[kept] == "does not hold"  # equal within a factor of 1.25


def test_a_ratio_that_is_not_significant_speaks_for_nothing():
    noisy = a_setting()
    for measure in COLUMNS:
        noisy["values"]["nano"][measure] = [math.exp(3 * (-1) ** seed) for seed in SEEDS]
    rows = judge_claims(claims.teacher_claims([noisy], []))
    nano = [row for row in rows if "nano" in row.claim.quantity.words]
    assert nano and {row.tally for row in nano} == {"open 1 of 1 settings"}


def test_too_many_diverged_seeds_measure_nothing_and_with_few_a_setting_is_not_judged():
    """A verdict rested on the 10 of 20 seeds in which the rival did not diverge."""
    entry = a_setting({"nano": 0.5})
    entry["values"]["gd"]["keep_a"] = [None, *entry["values"]["gd"]["keep_a"][1:]]
    entry["values"]["gradient"]["keep_a"] = [None] * 7 + [1.0] * 5
    by_gradient, by_gd, *_ = claims.teacher_claims([entry], [])
    assert by_gradient.settings[0].missing == "gradient diverged in 7 of 12 seeds"
    assert by_gd.settings[0].edge == "gd diverged in 1 of 12 seeds"
    (row,) = judge_claims([by_gd])
    assert len(by_gd.settings[0].values) == 11 and row.tally == "open 1 of 1 settings"


def test_seeds_without_a_ratio_are_counted_as_those_that_diverged():
    """A value of 0 has no logarithm; its seed left the setting without a word."""
    entry = a_setting({"nano": 0.5})
    entry["values"]["gd"]["keep_a"] = [0.0, *entry["values"]["gd"]["keep_a"][1:]]
    entry["values"]["gradient"]["keep_a"] = [0.0] * 7 + [1.0] * 5
    by_gradient, by_gd, *_ = claims.teacher_claims([entry], [])
    reason = "seeds have a ratio: a value of the others is 0"
    assert by_gradient.settings[0].missing == f"5 of 12 {reason}"
    assert by_gd.settings[0].edge == f"11 of 12 {reason}"


def test_claims_without_records_are_left_out():
    assert claims.teacher_claims([], []) == []
    own = claims.teacher_claims([a_setting(heads="own")], [])
    assert [claim.claim for claim in own] == [row.claim for row in claims.OWN]


def test_the_slope_of_the_distance_decides_the_theorem():
    rows = [claim.claim for claim in claims.teacher_claims([], [a_condition(1.0)])]
    held = verdicts([], [a_condition(1.0)])
    assert [held[row] for row in rows] == ["holds"] * 3
    flat = verdicts([], [a_condition(0.5)])
    assert [flat[row] for row in rows] == ["does not hold", "does not hold", "holds"]


def test_with_one_network_a_seed_the_slope_of_all_seeds_is_the_mean_of_the_jackknife():
    condition = dataclasses.asdict(Condition(seeds=SEEDS, init_scale=1.0))
    xs = [math.exp(seed) for seed in SEEDS]
    line = {"epsilon": [[x] for x in xs], "distance": [[x**0.7] for x in xs]}
    exact = theorem_claims.slopes({"condition": condition, "values": line}, "epsilon", "distance")
    assert list(exact.values()) == pytest.approx([0.7] * 12)
    noisy = [[x**0.7 * math.exp((-1) ** s)] for s, x in enumerate(xs)]
    entry = {"condition": condition, "values": {**line, "distance": noisy}}
    values = [*theorem_claims.slopes(entry, "epsilon", "distance").values()]
    logs = [math.log(y) for (y,) in noisy]
    slope, half = statistics.line(range(12), logs)
    assert statistics.mean(values) == pytest.approx(slope, abs=0.02)
    low, high = statistics.interval(values)
    assert (high - low) / 2 == pytest.approx(half, rel=0.35)


def test_the_page_has_every_arm_of_every_setting_and_the_published_tables():
    text = page.teacher_page([a_setting(), a_setting(share=0.2)], [a_condition(1.0)])
    for title in ("### The paper's setting", "### Mask share 20 %", "## Theorem 2.2"):
        assert title in text
    section = text.split("### Mask share 20 %")[1].split("## ")[0]
    rows = [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("|")]
    assert rows[2:] == list(ARMS)
    assert text.count("*as published*") == 4 and "0.0094 ± 0.012" in text


def test_a_diverged_seed_is_counted_and_left_out_of_the_quartiles():
    entry = a_setting()
    three = [None, 1.0, 2.0, 3.0, *[None] * 8]
    entry["values"]["gd"] = {column: three for column in COLUMNS}
    section = page.teacher_page([entry], []).split("### ")[1]
    cells = next(line for line in section.splitlines() if line.startswith("| gd ")).split("|")
    assert cells[2].strip() == "2 [1.5, 2.5]" and cells[-2].strip() == "9"
    assert cells[-3].strip() == "2 [1.5, 2.5] (3)"


def test_the_terminal_shows_the_first_setting_and_what_the_settings_say():
    settings = [a_setting({"nano": 0.5})]
    text = page.terminal_text(settings, claims.teacher_claims(settings, []))
    assert text.startswith("the paper's setting, 12 seeds, medians:\narm")
    assert "  for 1 of 1 settings" in text
    assert page.terminal_text([], []) == ""
