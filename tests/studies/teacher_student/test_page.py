"""The claims and the page of the study follow from records made by hand."""

import dataclasses
import math

from nanocl.studies.teacher_student import claims, page
from nanocl.studies.teacher_student.settings import ARMS, Condition, Setting

SEEDS = tuple(range(8))
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
    columns = {"epsilon": [epsilons] * 8, "size": [epsilons] * 8, "distance": distances}
    return {"condition": dataclasses.asdict(condition), "values": {**columns, "time": times}}


def verdicts(settings, conditions=()):
    judged = claims.teacher_claims(settings, conditions)
    return {claim.source.split(", ")[-1].split(" (")[0]: claim.verdict for claim in judged}


def test_the_smallest_weights_must_be_better_than_the_largest_gradients():
    better = a_setting({"nano": 0.5})
    assert verdicts([better])["Fig. 7"] == "holds"
    worse = a_setting({"nano": 2.0})
    assert verdicts([worse])["Fig. 7"] == "does not hold"
    assert verdicts([a_setting()])["Fig. 7"] == "undecided"


def test_claims_without_records_are_left_out():
    assert claims.teacher_claims([], []) == []
    own = claims.teacher_claims([a_setting(heads="own")], [])
    assert [claim.source.split(", ")[-2] for claim in own] == ["Table 4"]


def test_the_slope_of_the_distance_decides_the_theorem():
    held = claims.teacher_claims([], [a_condition(1.0)])
    assert [claim.verdict for claim in held] == ["holds"] * 3
    flat = claims.teacher_claims([], [a_condition(0.5)])
    assert [claim.verdict for claim in flat] == ["does not hold", "does not hold", "holds"]


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
    three = [None, 1.0, 2.0, 3.0, None, None, None, None]
    entry["values"]["gd"] = {column: three for column in COLUMNS}
    section = page.teacher_page([entry], []).split("### ")[1]
    cells = next(line for line in section.splitlines() if line.startswith("| gd ")).split("|")
    assert cells[2].strip() == "2 [1.5, 2.5]" and cells[-2].strip() == "5"
    assert cells[-3].strip() == "2 [1.5, 2.5] (3)"


def test_the_terminal_shows_the_first_setting_and_the_verdicts():
    settings = [a_setting({"nano": 0.5})]
    text = page.terminal_text(settings, claims.teacher_claims(settings, []))
    assert text.startswith("the paper's setting, 8 seeds, medians:\narm") and "  holds" in text
    assert page.terminal_text([], []) == ""
