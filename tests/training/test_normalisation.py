"""Running statistics are kept, lent and restored for each task label."""

import torch
from torch import nn

from nanocl.training.normalisation import RunningStatistics, statistics_of, tracking


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.GroupNorm(2, 4))


def trained_on(model, shift):
    model.train()
    model(torch.randn(16, 3) + shift)
    return {name: buffer.clone() for name, buffer in statistics_of(model).items()}


def equal(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


def test_only_layers_with_running_statistics_are_tracked():
    model = network()
    assert [path for path, _ in tracking(model)] == ["1"]
    assert set(statistics_of(model)) == {
        "1.running_mean",
        "1.running_var",
        "1.num_batches_tracked",
    }
    assert tracking(nn.Sequential(nn.BatchNorm1d(4, track_running_stats=False))) == []


def test_a_label_is_tested_with_its_own_statistics_and_training_goes_on_with_the_others():
    model = network()
    kept = RunningStatistics(model)
    first = trained_on(model, 0.0)
    kept.keep(0)
    second = trained_on(model, 5.0)
    kept.keep(1)
    assert not equal(first, second)
    kept.lend(0)
    assert equal(statistics_of(model), first)
    kept.take_back()
    assert equal(statistics_of(model), second)
    kept.put(0)
    assert equal(statistics_of(model), first)


def test_a_label_without_statistics_leaves_those_of_the_model():
    model = network()
    kept = RunningStatistics(model)
    now = trained_on(model, 1.0)
    kept.put(7)
    assert equal(statistics_of(model), now)
