"""The terms of the decomposition cancel, so that they add up to the whole."""

from nanocl.studies.finetune import decomposition


def test_each_part_begins_where_the_one_before_ends():
    whole, head, sparse, small, tied_whole, tied_small = decomposition.TERMS
    assert head[2] == whole[2] == tied_whole[2]
    assert head[1] == sparse[2] and sparse[1] == small[2] and small[1] == whole[1]
    assert tied_small[1] == tied_whole[1] and tied_small[2] == sparse[1]


def test_every_part_is_reported_at_equal_accuracy_and_at_equal_drift():
    rows = decomposition.rows()
    assert len({row.claim for row in rows}) == len(rows)
    assert [row.measure for row in rows] == [
        *[decomposition.EQUAL_NEW] * len(decomposition.TERMS),
        *[decomposition.MOVING] * len(decomposition.CENTRAL),
        *[decomposition.EQUAL_DRIFT] * len(decomposition.TERMS),
    ]
    assert not any(row.same_head for row in rows)
