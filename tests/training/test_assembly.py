"""A learner is put together from its spec, and a mistake is found before training."""

import pytest
import torch
from small_runs import spec

from nanocl.records import UserError
from nanocl.training import assembly
from nanocl.training.context import Context


def test_every_strategy_starts_from_the_same_weights_and_data():
    first, scenario = assembly.build(spec("adamw"), Context())
    second, other = assembly.build(spec("er+sgd"), Context())
    for a, b in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert scenario.classes == other.classes


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"settings": {"adamw": {"lr": "-1"}}}, "-1"),
        ({"settings": {"training": {"head": "own"}}}, "head must be one of auto, seen, all"),
        ({"settings": {"stream": {"experiences": "99"}}}, "99"),
        ({"settings": {"model": {"width": "0"}}}, "width"),
    ],
)
def test_an_option_out_of_its_range_is_found_before_training(values, message):
    with pytest.raises(UserError, match=message):
        assembly.check([spec(**values)], Context())


def test_cuda_without_a_gpu_is_refused_in_one_sentence(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="use --device cpu"):
        assembly.choose_device("cuda")


def test_a_size_that_no_memory_holds_is_a_mistake_in_one_sentence():
    with pytest.raises(UserError, match="adamw on split-digits: "):
        assembly.check([spec(settings={"model": {"width": str(10**15)}})], Context())
