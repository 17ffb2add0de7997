"""Conformance checks for anybody's plugins: one call each, failing with one sentence.

from nanocl.testing import check_strategy
check_strategy(MyStrategy)
"""

from nanocl.testing._claims import NotConforming
from nanocl.testing._small import SmallBackbone, run, small_learner, small_stream
from nanocl.testing.model import check_model
from nanocl.testing.optimizer import check_optimizer
from nanocl.testing.strategy import check_strategy
from nanocl.testing.stream import check_stream

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
