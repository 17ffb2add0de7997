"""Conformance checks for plugins of any package.

One call checks a class against its contract. It returns nothing if the class conforms, and
otherwise raises `NotConforming`, whose message states the broken rule in one sentence:

    from nanocl.testing import check_strategy

    def test_my_strategy_keeps_the_contract():
        check_strategy(MyStrategy)

`small_stream`, `small_learner` and `run` train a learner in a fraction of a second, for a plugin's
own tests:

    stream = small_stream("task")
    outcome = run(small_learner(stream, [MyStrategy(strength=2.0)]), stream)
    assert outcome.evaluation[-1][0] > 0.9
"""

from nanocl.testing._claims import NotConforming
from nanocl.testing.model import check_model
from nanocl.testing.optimizer import check_optimizer
from nanocl.testing.strategy import check_strategy
from nanocl.testing.stream import check_stream
from nanocl.training.small import SmallBackbone, run, small_learner, small_stream

__all__ = [
    "NotConforming",
    "SmallBackbone",
    "check_model",
    "check_optimizer",
    "check_strategy",
    "check_stream",
    "run",
    "small_learner",
    "small_stream",
]
