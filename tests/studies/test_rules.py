"""Findings follow from measured values by their rule."""

import math

import numpy as np
import pytest

from nanocl.studies.claims import AGAINST, FOR, OPEN
from nanocl.studies.rules import across, judged, ratio


def values(middle: float, seeds: int = 12, spread: float = 0.1) -> dict[int, float]:
    return {seed: middle * math.exp(spread * math.sin(seed)) for seed in range(seeds)}


def test_a_ratio_is_the_geometric_mean_over_the_seeds_in_common():
    first, second = {0: 1.0, 1: 4.0, 2: 9.0, 3: 1.0}, {1: 1.0, 2: 1.0, 3: 1.0, 7: 5.0}
    finding = ratio("x", first, second)
    assert finding.effect == pytest.approx(36 ** (1 / 3)) and finding.seeds == 3
    assert finding.interval[0] < finding.effect < finding.interval[1]


def test_a_seed_that_diverged_is_left_out_and_too_few_measure_nothing():
    first = {**values(1.0), 0: None, 1: math.inf}
    assert ratio("x", first, values(2.0)).seeds == 10
    assert ratio("x", {seed: None for seed in range(12)}, values(2.0)).effect is None
    most_gone = {seed: (1.0 if seed < 5 else None) for seed in range(12)}
    assert ratio("x", most_gone, values(2.0)).effect is None


def test_what_may_be_zero_counts_as_the_floor():
    none, some = dict.fromkeys(range(5), 0.0), dict.fromkeys(range(5), 1e-3)
    assert ratio("x", none, some, floor=1e-6).effect == pytest.approx(1e-3)


@pytest.mark.parametrize(
    ("first", "second", "lower", "not_higher"), [(1.0, 2.0, FOR, FOR), (2.0, 1.0, AGAINST, AGAINST)]
)
def test_a_clear_difference_speaks_for_or_against(first, second, lower, not_higher):
    finding = {"here": ratio("x", values(first), values(second, spread=0.2))}
    assert judged(finding, "lower")["here"].state == lower
    assert judged(finding, "not higher")["here"].state == not_higher


def test_no_clear_difference_is_open_or_enough():
    noisy = {seed: math.exp((-1) ** seed) for seed in range(12)}
    finding = {"here": ratio("x", noisy, dict.fromkeys(range(12), 1.0))}
    assert (
        judged(finding, "lower")["here"].state == OPEN
        and judged(finding, "not higher")["here"].state == FOR
    )


def test_the_p_values_are_corrected_over_the_settings():
    weak = {seed: 0.9 if seed else 1.2 for seed in range(8)}
    finding = ratio("x", weak, dict.fromkeys(range(8), 1.0))
    alone = judged({"one": finding}, "lower")["one"]
    many = judged({str(place): finding for place in range(10)}, "lower")["3"]
    assert alone.p == finding.p and many.p == pytest.approx(min(1.0, 10 * finding.p))


def test_a_wanted_direction_that_is_none_is_refused():
    with pytest.raises(ValueError, match="lower, not higher, higher, not lower, got 'smaller'"):
        judged({}, "smaller")


def test_few_seeds_of_several_settings_are_decided_together_and_directions_need_not_agree():
    up, down = (0.5, 0.6, 0.4, 0.7, 0.5), (-0.4, -0.6, -0.5, -0.3, -0.6)
    alone = across("x", {"a": up}, "higher")["a"]
    assert alone.p == 0.0625 and alone.state == OPEN and (alone.neutral, alone.seeds) == (0, 5)
    both = across("x", {"a": up, "b": up}, "higher", unit="points")
    assert {f.state for f in both.values()} == {FOR} and both["a"].p == 2 * 2 / 2**10
    mixed = across("x", {"a": up, "b": down}, "higher")
    assert (mixed["a"].state, mixed["b"].state) == (FOR, AGAINST) and mixed["a"].p == 2 * 2 / 2**10
    assert across("x", {"a": up, "b": down}, "not lower")["b"].state == AGAINST
    assert across("x", {"a": up, "b": (0.1, -0.1, 0.0, 0.2, -0.2)}, "not lower")["b"].state == FOR
    assert str(both["a"]) == "x +0.54 [0.398, 0.682] points, joint p = 0.0039, 5 seeds: for"
    ratios = across("x", {"a": down, "b": down}, "lower", ratio=True)["a"]
    assert (
        ratios.effect == pytest.approx(math.exp(-0.48))
        and ratios.state == FOR
        and ratios.neutral == 1
    )
    assert across("x", {"a": up, "b": (1.0, 2.0)}, "higher")["b"].effect is None


def test_few_seeds_that_show_nothing_are_no_proof_that_nothing_is_lost():
    wide, near = (-6.0, 4.0, -3.0, 5.0, 1.0), (-0.9, 0.4, -0.3, 0.6, 0.1)
    finding = across("x", {"wide": wide, "near": near}, "not lower")
    assert (finding["wide"].state, finding["near"].state) == (OPEN, FOR)
    lost = across("x", {"alone": (-5.0, -5.1, -4.9, -5.0, -5.2)}, "not lower")["alone"]
    assert (
        lost.p == 0.0625 and lost.state == OPEN
    )  # one setting of 5 seeds can never be significant
    mirror = across("x", {"wide": [-v for v in wide], "near": [-v for v in near]}, "not higher")
    assert (mirror["wide"].state, mirror["near"].state) == (OPEN, FOR)
    ratios = {"wide": [math.log(1.2)] * 4 + [0.0], "near": [math.log(1.05)] * 4 + [0.0]}
    assert [f.state for f in across("x", ratios, "not higher", ratio=True).values()] == [
        AGAINST,
        AGAINST,
    ]
    assert [
        f.state for f in across("x", {"near": ratios["near"]}, "not higher", ratio=True).values()
    ] == [FOR]


def test_without_any_effect_a_joint_test_speaks_in_one_case_of_twenty_at_most():
    draws = np.random.default_rng(0).standard_t(3, size=(100, 2, 5)) * [[1.0], [20.0]]
    spoken = sum(
        any(f.p < 0.05 for f in across("x", {"a": a, "b": b}, "higher").values())
        for a, b in draws.tolist()
    )
    assert spoken <= 5 + 5 * math.sqrt(
        100 * 0.05 * 0.95
    )  # five standard deviations above one in twenty
