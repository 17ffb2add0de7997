"""Online EWC: one decaying Fisher and one anchor."""

import pytest
from fisher_cases import assert_equal, fisher

from nanocl.strategies._penalty import snapshot
from nanocl.strategies.online_ewc import OnlineEWC
from nanocl.testing import small_learner, small_stream


def test_online_ewc_decays_what_it_held_and_anchors_at_the_last_weights():
    scenario, online = small_stream(), OnlineEWC(decay=0.25, samples=0)
    learner = small_learner(scenario, [online])
    expected = None
    for experience in scenario.train_stream:
        learner.train(experience, eval_streams=[])
        new = fisher(learner.model, experience.dataset)
        expected = (
            new if expected is None else {name: 0.25 * expected[name] + new[name] for name in new}
        )
    assert_equal(online.importance, expected)
    assert_equal(online.anchor, snapshot(learner.model))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decay": 1.5}, r"decay must be in \[0, 1\], got 1.5"),
        ({"strength": -1.0}, r"strength must be in \[0, inf\), got -1.0"),
        ({"samples": -5}, "samples must be at least 0, got -5"),
    ],
)
def test_an_option_out_of_range_is_named_with_value_and_range(options, message):
    with pytest.raises(ValueError, match=message):
        OnlineEWC(**options)
