"""All arms beside each other: what each keeps more than AdamW with one rate."""

from dataclasses import replace

import pytest
from made_sweeps import a_sweep

from nanocl.studies.finetune import advantages, overview


def only(sweep, *arms):
    return replace(sweep, arms={arm: sweep.arms[arm] for arm in arms})


def two_settings():
    """Head rates of their own give AdamW 5 points here and 2 there; LoRA's 10 are only here."""
    here = a_sweep("here", adamw_dense=0.05, lora=0.1)
    there = a_sweep("there", adamw_dense=0.02)
    grids = {arm: there.grids[arm] for arm in ("adamw", "adamw-dense")}
    return [here, replace(only(there, *grids), grids=grids)]


def line_of(arm, page):
    """The row of an arm, the first of several; empty if there is none."""
    return next((line for line in page.splitlines() if line.startswith(f"| {arm} ")), "")


def test_each_arm_has_its_difference_in_every_setting_the_largest_of_the_first_on_top():
    rows = advantages.advantages(two_settings())
    lora, adamw = rows[:2]
    assert (lora.arm, adamw.arm) == ("LoRA", "AdamW, head rate of its own")
    assert lora.findings.keys() == {"here"} and adamw.findings.keys() == {"here", "there"}
    assert lora.findings["here"].mean == pytest.approx(10, abs=1)
    assert adamw.findings["here"].mean == pytest.approx(5, abs=1)
    assert adamw.findings["there"].mean == pytest.approx(2, abs=1)


def test_the_page_has_a_column_for_each_setting_and_says_where_an_arm_was_not_run():
    page = advantages.page(two_settings())
    header = next(line for line in page.splitlines() if line.startswith("| arm"))
    assert [cell.strip() for cell in header.split("|")[1:-1]] == ["arm", "here", "there"]
    row = line_of("LoRA", page)
    assert "[" in row and row.endswith(" – |")


def test_the_second_table_reads_no_arm_at_rate_0_and_has_none_without_a_backbone():
    here = two_settings()[0]
    lora = {
        seed: [replace(first, lr=0.0, old=0.99, held_old=0.99), *others]
        for seed, (first, *others) in here.arms["lora"].items()
    }
    page = advantages.page([replace(here, arms={**here.arms, "lora": lora})])
    above, below = page.split("## With the backbone trained")
    assert line_of("LoRA", above) != line_of("LoRA", below)
    assert line_of("head and norms alone", above) and not line_of("head and norms alone", below)


def test_an_arm_with_missing_runs_is_left_out_and_without_arms_there_is_no_page():
    here = two_settings()[0]
    waiting = {**here.grids, "lora": replace(here.grids["lora"], missing=3)}
    arms = [row.arm for row in advantages.advantages([replace(here, grids=waiting)])]
    assert "LoRA" not in arms and arms
    assert advantages.page([]) == ""


def test_the_figure_has_a_mark_for_each_number_of_the_page():
    sweeps = two_settings()
    rows = advantages.advantages(sweeps)
    settings = advantages.names(rows, sweeps)
    figure = overview.overview(rows, settings)
    drawn = [container.lines[0].get_xdata() for container in figure.axes[0].containers]
    numbers = [
        [row.findings[name].mean for row in rows if name in row.findings] for name in settings
    ]
    assert [list(xs) for xs in drawn] == numbers
    assert overview.draw(rows, settings) == overview.draw(rows, settings)
    assert f"]({advantages.FIGURE}.png)" in advantages.page(sweeps)
