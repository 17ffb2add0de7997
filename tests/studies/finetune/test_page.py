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
    assert len(rows(page, "head+norms")) == 5 + len(RATES) and len(rows(page, "adamw")) == 4 + 3
    assert " 100 % |" in page and "390 of 390 runs" in page
    assert all(f"![{name}]({name}.png)" in page for name in FIGURES)


def test_the_comparison_with_the_reference_shows_the_gain_in_old_task_accuracy():
    page = sweep_page(a_sweep(nanoadam=0.05))
    against = page.split("## Against adamw")[1].split("## ")[0]
    (cells,) = rows(against, "nanoadam")
    assert float(cells[1].split()[0]) > 3 and cells[2].startswith("1 ")


def test_fronts_show_readings_at_every_level_with_their_edges_or_why_there_are_none():
    page = sweep_page(a_sweep(nanoadam=0.05))
    fronts = page.split("## Fronts")[1].split("## ")[0]
    (cells,) = rows(fronts, "adamw")
    read = [cell.split()[0] for cell in cells[1:]]
    assert read == ["70.00", "70.00", "80.00", "50.00", "80.00", "50.00"]
    assert "edge" not in "".join(cells)
    low = {seed: one_seed(0.0, seed)[2:] for seed in range(10)}
    sweep = a_sweep()
    page = sweep_page(replace(sweep, arms={**sweep.arms, "sgd": low}))
    assert "(edge in 10)" in rows(page.split("## Fronts")[1], "sgd")[0][2]
    blind = {0: tuple(replace(p, held_new=None, held_old=None) for p in one_seed())}
    page = sweep_page(replace(sweep, arms={"adamw": blind}))
    assert "Not measured: no accuracies on held-out data." in page


def test_one_seed_has_numbers_without_intervals():
    page = sweep_page(replace(a_sweep(), arms={"adamw": {0: one_seed()}}))
    assert rows(page, "adamw")[0][:3] == ["adamw", "0.01", "80.00"]
