"""The finetuning study: points, comparison at equal accuracy, verdicts, pages."""

import itertools
import json
import math
from dataclasses import replace

import pytest
from making import a_result, a_spec, shifted

from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import suite
from nanocl.protocols.request import Request
from nanocl.studies import cost, verdicts
from nanocl.studies.claims import AGAINST, FOR, OPEN
from nanocl.studies.finetune import claims, comparisons, draw, figures, matched, page
from nanocl.studies.finetune.points import SWITCHES, Comparison, Point

RATES = (1e-4, 1e-3, 1e-2)
ARMS = (
    "adamw",
    "nanoadam",
    "large",
    "random",
    "gradient",
    "static-small",
    "head+norms",
    "sgd",
    "microadam",
    "lora",
    "adamw-dense",
    "ewc+adamw",
    "ewc+nanoadam",
)


def point(lr, new, old, *, drift=1.0, curve="", before=0.9):
    return Point(
        lr, curve, new, old, before, drift, drift / 4, tuple(lr * (11 - k) for k in range(1, 11))
    )


def sweep(gain=0.0, seed=0, loss=0.2):
    """A sweep that learns more and keeps less with the rate; `gain` is how much more of the old task is kept."""
    noise = 0.004 * math.sin(7 * seed + 100 * gain)
    return tuple(
        point(lr, 0.4 + 0.1 * k + noise, 0.9 - loss * k + gain - noise, drift=10.0**k)
        for k, lr in enumerate(RATES)
    )


def comparison(name="finetune-made-up", seeds=5, **gains):
    arms = {
        arm: {
            seed: sweep(gains.get(arm.replace("+", "_").replace("-", "_"), 0.0), seed)
            for seed in range(seeds)
        }
        for arm in ARMS
    }
    return Comparison(
        name, "a made-up pair of tasks", a_spec(), arms, seeds * len(ARMS) * len(RATES)
    )


def test_a_reading_is_the_most_of_the_old_task_that_is_kept_at_that_accuracy():
    points = [
        point(1e-4, 0.2, 0.9, drift=1.0),
        point(1e-3, 0.6, 0.7, drift=4.0),
        point(1e-2, 0.5, 0.1),
    ]
    assert matched.reading(points, 0.1) == matched.Reading(0.2, 0.9, 1.0)
    halfway = matched.reading(points, 0.4)
    assert (halfway.new, halfway.old, halfway.drift) == pytest.approx((0.4, 0.8, 2.0))
    assert matched.reading(points, 0.6).old == 0.7 and matched.reading(points, 0.61) is None


def test_a_reading_agrees_with_a_fine_walk_along_the_sweep():
    points = [
        point(1e-4 * 3**k, 0.5 + 0.3 * math.sin(k), 0.8 - 0.3 * math.cos(2 * k)) for k in range(6)
    ]
    for target in (0.25, 0.4, 0.55, 0.7):
        walk = [
            (a.new + s / 5000 * (b.new - a.new), a.old + s / 5000 * (b.old - a.old))
            for a, b in itertools.pairwise(points)
            for s in range(5001)
        ]
        slow = max(old for new, old in walk if new >= target)
        assert matched.reading(points, target).old == pytest.approx(
            slow, abs=1e-3
        )  # a step of the walk is below that


def test_lines_join_the_rates_of_one_curve_only_and_a_diverged_run_is_no_place():
    apart = [point(1e-3, 0.2, 0.9, curve="strength=1"), point(1e-3, 0.6, 0.5, curve="strength=9")]
    assert matched.reading(apart, 0.4).old == 0.5
    gone = [point(1e-3, 0.2, 0.9), replace(point(1e-2, 0.0, 0.0), new=None, old=None, drift=None)]
    assert matched.best(gone) == 0.2 and matched.largest_rate(gone, RATES) == 1e-3
    assert matched.reading(gone, 0.3) is None
    assert matched.best(gone[1:]) is None


def test_the_largest_rate_is_the_largest_one_near_the_best():
    points = [
        point(1e-4, 0.70, 0.9),
        point(1e-3, 0.72, 0.8),
        point(1e-2, 0.705, 0.7),
        point(1e-1, 0.6, 0.6),
    ]
    assert (
        matched.largest_rate(points, (1e-3, 1e-2, 1e-1)) == 1e-2
        and matched.largest_rate(points, (1e-1,)) is None
    )


def test_rates_that_only_one_arm_ran_say_nothing_about_tolerance():
    wide = (point(1e-3, 0.7, 0.9), point(1e-2, 0.7, 0.9), point(1e-1, 0.7, 0.9))
    assert matched.rate_ratio({0: wide}, {0: wide[:2]}) == (0.0,)
    narrow = (wide[0], point(1e-2, 0.5, 0.9), point(1e-1, 0.5, 0.9))
    assert matched.rate_ratio({0: wide}, {0: narrow}) == pytest.approx((math.log(100),))


def test_arms_pair_seed_by_seed_at_the_accuracy_that_both_reach():
    first = {0: sweep(0.1), 1: sweep(0.1), 7: sweep()}
    second = {0: sweep(), 1: sweep()[:2]}
    assert matched.old_difference(first, second) == pytest.approx((10.0, 10.0), abs=1.0)
    assert matched.new_difference(first, second)[1] == pytest.approx(10.0, abs=1.0)
    assert matched.rate_ratio(first, second) == pytest.approx((0.0,))
    assert matched.drift_ratio(first, first) == (0.0, 0.0, 0.0)


def test_a_verdict_needs_more_seeds_than_one_protocol_of_five_has():
    def verdict(*found):
        return next(
            c
            for c in claims.claims(found)
            if c.claim == "NanoAdam forgets less than AdamW at equal new-task accuracy"
        )

    better, worse = comparison("a", nanoadam=0.05), comparison("b", nanoadam=-0.05)
    assert verdict(better).verdict == "undecided" and verdict().verdict == "not measured"
    assert verdict(better, comparison("c", nanoadam=0.04)).verdict == "holds"
    assert verdict(worse, comparison("c", nanoadam=-0.04)).verdict == "does not hold"
    mixed = verdict(better, worse)
    assert mixed.verdict == "depends on the setting: holds with a. Does not hold with b"
    assert [mixed.findings[name][0].state for name in "ab"] == [FOR, AGAINST]
    assert verdict(comparison("a"), comparison("c")).findings["a"][0].state == OPEN


def test_an_arm_that_no_protocol_has_is_not_measured():
    found = comparison()
    few = replace(found, arms={arm: found.arms[arm] for arm in ("adamw", "nanoadam")})
    verdict = {claim.claim: claim.verdict for claim in claims.claims([few])}
    assert verdict["NanoAdam moves the backbone less than AdamW"] == "undecided"
    assert (
        verdict["EWC on NanoAdam forgets less than EWC on AdamW at equal new-task accuracy"]
        == "not measured"
    )


def test_the_page_shows_every_arm_in_every_table():
    found = comparison(nanoadam=0.05)
    text = page(found)
    assert (
        text.count("| head+norms |") == 4 + len(RATES)
        and "| 100 % |" in text
        and "195 of 195 runs" in text
    )
    assert "| nanoadam | +" in text
    one = replace(found, arms={"adamw": {0: sweep()}})
    assert "| adamw | 0.01 | 60.00 |" in page(one)


def test_the_figures_are_the_same_bytes_twice_and_bear_a_diverged_run():
    found = comparison()
    gone = tuple(replace(p, new=None, old=None, drift=None, deciles=()) for p in sweep())
    found = replace(
        found, arms={"adamw": found.arms["adamw"], "large": found.arms["large"], "sgd": {0: gone}}
    )
    first = draw(found)
    assert first == draw(found) and set(first) == {
        "fronts.png",
        "learning-rates.png",
        "drift.png",
        "change-by-magnitude.png",
    }


def test_the_page_of_claims_says_what_is_not_measured_and_has_rows_of_equal_length(tmp_path):
    assert verdicts.page([], [], tmp_path) == ""
    text = verdicts.page([a_result()], [comparison(nanoadam=0.05)], tmp_path)
    overview = [line for line in text.splitlines() if line.startswith("|")][:20]
    assert len({line.replace("\\|", "").count("|") for line in overview}) == 1
    assert "**undecided**" in text and "**not measured**" in text and "not measured" in text.lower()


def test_the_paper_counts_memory_as_its_own_formulas_do():
    from nanocl.footprint import paper
    from nanocl.footprint.architectures import Weight

    accounts = {
        account.optimizer: account.bytes for account in paper.accounts([Weight("w", (1000, 1000))])
    }
    assert cost.accounted("adamw") == accounts["AdamW"] / 1e6
    assert cost.accounted("microadam") == accounts["MicroAdam, window 10"] / 1e6
    for index, name in (("int16", "NanoAdam, int16 indices"), ("int64", "NanoAdam, int64 indices")):
        assert cost.accounted("nanoadam", 0.01, index) == pytest.approx(accounts[name] / 1e6)


def test_memory_is_judged_from_the_bytes_of_the_records(tmp_path):
    def run(strategy, state, **options):
        made = a_result(a_spec(strategy, **options), shifted(0.0))
        return replace(made, cost=replace(made.cost, state_bytes_per_parameter=state))

    runs = [
        run("adamw", 8.0),
        run("microadam", 0.9),
        run("nanoadam", 1.2, density=0.1, select="small"),
        run("nanoadam", 9.0, density=0.1, select="large"),
    ]
    memory = cost.claims(runs, tmp_path)[0]
    measured = {
        setting: found
        for setting, found in memory.findings.items()
        if setting.startswith("measured")
    }
    (states,) = [[finding.state for finding in found] for found in measured.values()]
    assert states == [FOR, AGAINST] and memory.verdict.startswith("depends")


def test_time_is_judged_from_the_timings_of_optimizers(tmp_path):
    def row(optimizer, amortised):
        return {"shapes": "1M", "optimizer": optimizer, "amortised": amortised}

    path = tmp_path / "perf" / "optimizers-cpu.json"
    path.parent.mkdir()
    path.write_text(
        json.dumps(
            {
                "machine": {"processor": "a processor", "threads": 2},
                "rows": [
                    row("NanoAdam 10 %", 0.5),
                    row("NanoAdam 10 %, plain PyTorch", 4.0),
                    row("MicroAdam 1 %", 2.0),
                    row("NanoAdam 1 %", None),
                ],
            }
        )
    )
    time = cost.claims([], tmp_path)[1]
    assert {setting: [f.effect for f in found] for setting, found in time.findings.items()} == {
        "1M parameters, CPU, NanoAdam 10 %": [0.5, 0.25],
        "1M parameters, CPU, NanoAdam 10 %, plain PyTorch": [4.0, 2.0],
    }
    assert "a processor, 2 threads" in time.ran and time.verdict.startswith("depends")
    path.write_text("{}")
    assert cost.claims([], tmp_path)[1].verdict == "not measured"


def test_the_records_of_a_protocol_become_points_of_its_arms_wherever_they_were_measured():
    runs = suite.specs(Request(stream="finetune-flowers"), Catalogue())
    kept = [run for run in runs if run.seed < 3]
    results = [
        a_result(
            replace(run, data="other machine", model=replace(run.model, weights="0123")),
            ((0.9, 0.01), (0.5, 0.4)),
            initial=(0.9, 0.01),
            status="ok",
        )
        for run in kept
    ]
    results[0] = replace(
        results[0], status="diverged", evaluation=((0.9, 0.01),), drift=results[0].drift[:1]
    )
    results.append(replace(results[1], spec=replace(results[1].spec, data="another data set")))
    (found,) = comparisons([*results, a_result()])
    assert (found.measured, found.wanted) == (len(kept), len(runs))
    assert {
        "adamw",
        "nanoadam",
        "random",
        "large",
        "gradient",
        "static-small",
        "head+norms",
    } <= found.arms.keys()
    for seeds in found.arms.values():
        rates = [p.lr for p in seeds[0]]
        assert list(seeds) == [0, 1, 2] and rates == sorted(set(rates)) and len(rates) > 1
    assert (
        sum(
            p.new is None
            for seeds in found.arms.values()
            for points in seeds.values()
            for p in points
        )
        == 1
    )
    assert {(p.before, p.old) for p in found.arms["sgd"][1]} == {(0.9, 0.5)}
    both = [found, *(replace(found, switch=switch) for switch in SWITCHES)]
    assert all(claim.verdict != "not measured" for claim in claims.claims(both))


def test_a_switch_of_the_stream_makes_a_comparison_of_its_own_that_no_other_claim_counts():
    def records(**settings):
        runs = suite.specs(
            Request(stream="finetune-halves", strategies=("adamw", "nanoadam"), settings=settings),
            Catalogue(),
        )
        return [a_result(run, ((0.9, 0.01), (0.5, 0.4)), initial=(0.9, 0.01)) for run in runs]

    plain, frozen = comparisons([*records(), *records(stream={"norm_statistics": "freeze"})])
    assert (plain.name, frozen.name) == ("finetune-halves", "finetune-halves-freeze")
    assert plain.measured == frozen.measured == frozen.wanted < plain.wanted
    assert "frozen" in page(frozen) and "frozen" not in page(plain)
    rows = claims.claims([plain, frozen])
    assert [len(row.findings) for row in rows if "nanoadam - adamw higher" in row.rule] == [
        1,
        1,
        1,
        0,
    ]


def test_a_front_keeps_the_rates_that_no_other_beats_on_both_tasks():
    rows = [
        (10.0, 80.0, 0, 0),
        (20.0, 70.0, 0, 0),
        (15.0, 60.0, 0, 0),
        (20.0, 65.0, 0, 0),
        (5.0, 80.0, 0, 0),
    ]
    assert figures.unbeaten(rows) == rows[:2]
    assert figures.unbeaten(rows[:1] * 2) == rows[:1] * 2
