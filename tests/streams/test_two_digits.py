"""Two pairs of classes come twice, the second time with new samples."""

import numpy as np
import pytest
from experiences import build, rows_of, whole

from nanocl import data
from nanocl.streams.two_digits import TwoDigits, folds

STREAM = TwoDigits(data="digits")


def by_hand(labels, splits=10, seed=15626):
    """Stratified folds as scikit-learn's manual describes them, class by class."""
    generator, fold_of = np.random.RandomState(seed), np.full(len(labels), -1)
    order = list(dict.fromkeys(labels.tolist()))  # classes count from their first sample
    codes = np.array([order.index(label) for label in labels])
    dealt = [np.bincount(np.sort(codes)[k::splits], minlength=len(order)) for k in range(splits)]
    for code in range(len(order)):
        cards = np.repeat(np.arange(splits), [counts[code] for counts in dealt])
        generator.shuffle(cards)
        fold_of[codes == code] = cards
    return fold_of


def test_the_folds_are_the_stratified_ones_of_the_authors_seed():
    labels = data.load("digits").train_labels
    assert np.array_equal(folds(labels), by_hand(labels))


def test_each_experience_trains_on_its_fold_and_all_are_tested_on_two_others():
    digits = data.load("digits")
    fold_of = by_hand(digits.train_labels)
    scenario = build(STREAM, "domain")
    trained, tested = rows_of(scenario.train_stream), rows_of(scenario.test_stream)
    for number, (fold, pair) in enumerate(zip((6, 6, 7, 7), [(1, 2), (3, 4)] * 2, strict=True)):
        in_pair = np.isin(digits.train_labels, pair)
        assert trained[number] == np.flatnonzero(in_pair & (fold_of == fold)).tolist()
        assert tested[number] == np.flatnonzero(in_pair & (fold_of >= 8)).tolist()
        inputs, targets = whole(scenario.train_stream[number])
        rows = trained[number]
        assert targets.tolist() == (digits.train_labels[rows] - 1).tolist()
        assert np.allclose(inputs, digits.train_inputs[rows] / 255)
    assert scenario.outputs == 4 and scenario.labels == ((1, 2), (3, 4)) * 2


def test_validation_holds_out_a_share_of_each_fold_and_leaves_the_tests_alone():
    plain, held = (
        build(stream, "domain", seed=3)
        for stream in (STREAM, TwoDigits(data="digits", validation=0.2))
    )
    assert rows_of(held.test_stream) == rows_of(plain.test_stream)
    for left, out, all_rows in zip(
        *map(rows_of, (held.train_stream, held.validation_stream, plain.train_stream)), strict=True
    ):
        assert sorted(left + out) == all_rows and len(out) == pytest.approx(
            0.2 * len(all_rows), abs=2
        )


def test_a_data_set_with_too_few_classes_is_refused(pictures_root):
    with pytest.raises(ValueError, match=r"needs a data set with classes .* got first with 3"):
        TwoDigits(data="first").build(scenario="domain", seed=0, data_root=pictures_root)
