"""The strategy `pytorch-optimizer` builds optimizers of its library; see tests/libraries."""

import pytest

from nanocl.libraries.pytorch_optimizer import LIBRARY
from nanocl.plugins.catalogue import Catalogue
from nanocl.strategies.pytorch_optimizer import PytorchOptimizer
from nanocl.testing import SmallBackbone, small_learner, small_stream
from nanocl.training.heads import Network

pytest.importorskip("pytorch_optimizer")


def test_the_text_after_the_colon_names_the_optimizer():
    complete = Catalogue().complete("strategies", "pytorch-optimizer:Lion", {"lr": 0.25})
    optimizer = (
        Catalogue().make("strategies", complete).make_optimizer(Network(SmallBackbone(), outputs=4))
    )
    assert isinstance(optimizer, LIBRARY.optimizer("Lion"))
    assert optimizer.param_groups[0]["lr"] == 0.25


def test_without_a_name_it_is_lion():
    assert PytorchOptimizer.options_of("") == LIBRARY.options_of("Lion")
    assert PytorchOptimizer().optimizer == "Lion"


def test_the_weights_for_evaluation_are_in_use_only_while_a_model_is_evaluated():
    strategy = PytorchOptimizer(optimizer="ScheduleFreeSGD", lr=0.5)
    learner = small_learner(small_stream(), [strategy])
    for hook, mode in ((strategy.before_eval, False), (strategy.after_eval, True)):
        hook(learner)
        assert learner.optimizer.param_groups[0]["train_mode"] is mode
