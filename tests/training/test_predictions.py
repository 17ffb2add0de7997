"""The new samples of a mini-batch are told from replayed ones, and count once."""

from types import SimpleNamespace

import torch

from nanocl.training.predictions import Predictions


def a_strategy(batch, size=4, samples=10, iterations=0):
    return SimpleNamespace(
        train_mb_size=size,
        adapted_dataset=range(samples),
        mb_y=torch.arange(batch),
        mb_output=torch.arange(3.0 * batch).view(batch, 3),
        training=SimpleNamespace(iterations=iterations),
    )


def taken(predictions, strategy):
    predictions.begin_iteration()
    output, target = predictions.of(strategy)
    assert torch.equal(output, strategy.mb_output[: len(target)])
    assert predictions.of(strategy) is None  # a closure repeats the pass
    return target.tolist()


def test_replayed_samples_behind_the_new_ones_are_left_out_also_in_the_last_mini_batch():
    predictions = Predictions()
    predictions.begin_epoch(a_strategy(0))
    assert taken(predictions, a_strategy(9)) == [0, 1, 2, 3]
    assert taken(predictions, a_strategy(4)) == [0, 1, 2, 3]
    assert taken(predictions, a_strategy(7)) == [0, 1]  # 10 samples: two are left


def test_a_fixed_number_of_mini_batches_are_all_of_full_size():
    predictions = Predictions()
    predictions.begin_epoch(a_strategy(0))
    sizes = [len(taken(predictions, a_strategy(9, iterations=5))) for _ in range(4)]
    assert sizes == [4] * 4
