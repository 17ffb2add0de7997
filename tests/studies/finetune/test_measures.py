"""Two arms become one signed number for each seed."""

import math
from dataclasses import replace

import pytest
from made_sweeps import RATES, a_sweep, one_seed, point

from nanocl.studies import rules
from nanocl.studies.finetune import fronts, measures

NAMES = ("nanoadam", "adamw")


def setting(measure, sweep, names=NAMES):
    return measure.setting(sweep, fronts.levels(sweep), *names)


def with_arms(**arms):
    return replace(a_sweep(), arms=arms)


def test_old_task_accuracy_is_compared_at_the_judged_levels():
    sweep = a_sweep(nanoadam=0.05)
    made = setting(measures.OLD, sweep)
    # levels 0.64, 0.72 and 0.76 of best 0.8: settings 1, 2 and 2 in both arms
    assert set(made.values) == set(range(10)) and not made.edge and not made.missing
    noise = {s: 0.004 * (math.sin(7 * s) - math.sin(7 * s + 5)) for s in range(10)}
    assert made.values == pytest.approx({s: 5 + 100 * noise[s] for s in range(10)})
    swapped = setting(measures.OLD, sweep, NAMES[::-1])
    assert swapped.values == pytest.approx({seed: -v for seed, v in made.values.items()})


def test_a_reading_at_the_lowest_rate_of_an_arm_decides_nothing():
    high = tuple(replace(p, new=0.8, held_new=0.8) for p in one_seed(0.3))
    arms = {"nanoadam": dict.fromkeys(range(10), high), "adamw": a_sweep().arms["adamw"]}
    made = setting(measures.OLD, with_arms(**arms))
    assert made.edge == "nanoadam at an end of its rates in 10 seeds"
    assert min(made.values.values()) > 10
    assert rules.finding(made, measures.OLD.quantity("x")).state == rules.OPEN


def tolerating(count):
    """An arm that learns as well with the `count` lowest rates, 10 seeds."""
    row = [point(lr, 0.8 if k < count else 0.5, 0.9) for k, lr in enumerate(RATES)]
    return dict.fromkeys(range(10), (*row, point(1e-1, 0.3, 0.9)))


def test_a_ratio_of_tolerated_rates_is_no_finer_than_the_grid():
    sweep = with_arms(nanoadam=tolerating(3), adamw=tolerating(2))
    made = setting(measures.RATE, sweep)
    assert [*made.values.values()] == pytest.approx([math.log(10)] * 10)
    found = rules.finding(made, measures.RATE.quantity("x"))
    assert [math.exp(end) for end in found.interval] == pytest.approx([1, 100])
    assert found.state == rules.OPEN
    two_steps = setting(measures.RATE, with_arms(nanoadam=tolerating(3), adamw=tolerating(1)))
    assert two_steps.edge.startswith("adamw at an end")


def test_an_arm_that_tolerates_every_rate_might_tolerate_more():
    all_rates = {seed: row[:3] for seed, row in tolerating(3).items()}
    made = setting(measures.RATE, with_arms(nanoadam=all_rates, adamw=tolerating(2)))
    assert made.edge == "nanoadam at an end of its rates in 10 seeds"
    wider = setting(measures.RATE, with_arms(nanoadam=tolerating(3), adamw=tolerating(2)))
    assert not wider.edge


def test_rates_that_only_one_arm_ran_say_nothing_about_tolerance():
    short = {seed: row[:2] for seed, row in tolerating(2).items()}
    made = setting(measures.RATE, with_arms(nanoadam=tolerating(3), adamw=short))
    assert set(made.values.values()) == {0.0}
    assert made.edge.count("at an end of its rates in 10 seeds") == 2


def test_best_settings_are_compared_on_both_tasks_and_less_drift_is_positive():
    sweep = a_sweep(nanoadam=0.05)
    assert setting(measures.NEW, sweep).values[0] == pytest.approx(0.4 * math.sin(5))
    assert setting(measures.TUNED, sweep).values[0] == pytest.approx(5 - 0.4 * math.sin(5))
    half = {
        s: tuple(replace(p, drift=p.drift / 2) for p in row) for s, row in tolerating(3).items()
    }
    made = setting(measures.DRIFT, with_arms(nanoadam=half, adamw=tolerating(3)))
    assert made.values[0] == pytest.approx(math.log(2))


def test_a_seed_without_a_reading_is_counted():
    arms = {arm: dict(a_sweep().arms[arm]) for arm in NAMES}
    arms["adamw"][3] = (point(1e-2, None, None, drift=None),)
    made = setting(measures.OLD, with_arms(**arms))
    assert 3 not in made.values and made.note == "9 of 10 seeds"
