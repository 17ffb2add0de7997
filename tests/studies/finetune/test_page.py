"""The page of a sweep has every arm in every table."""

import re
from dataclasses import replace

from made_sweeps import RATES, a_sweep, one_seed

from nanocl.studies.finetune.page import FIGURES, sweep_page


def rows(page, arm):
    lines = [line for line in page.splitlines() if line.startswith(f"| {arm} ")]
    return [re.split(r" *\| *", line)[1:-1] for line in lines]


def test_the_page_shows_every_arm_in_every_table():
    page = sweep_page(a_sweep(nanoadam=0.05))
    assert len(rows(page, "head+norms")) == 4 + len(RATES) and len(rows(page, "adamw")) == 3 + 3
    assert " 100 % |" in page and "195 of 195 runs" in page
    assert all(f"![{name}]({name}.png)" in page for name in FIGURES)


def test_the_comparison_with_the_reference_shows_the_gain_in_old_task_accuracy():
    page = sweep_page(a_sweep(nanoadam=0.05))
    against = page.split("## Against adamw")[1].split("## ")[0]
    (cells,) = rows(against, "nanoadam")
    assert float(cells[1].split()[0]) > 3 and cells[3].startswith("1 ")


def test_one_seed_has_numbers_without_intervals():
    page = sweep_page(replace(a_sweep(), arms={"adamw": {0: one_seed()}}))
    assert rows(page, "adamw")[0][:3] == ["adamw", "0.01", "60.00"]
