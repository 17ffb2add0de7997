"""A model and a stream in the form that users of torch know run as they are."""

import pytest
from small_runs import spec

from nanocl.plugins.catalogue import Catalogue
from nanocl.records import UserError
from nanocl.training import experiment
from nanocl.training.assembly import build
from nanocl.training.context import Context

NET = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.LazyLinear(24), nn.ReLU())

    def forward(self, x):
        return self.layers(x)
"""
STREAM = """
import torch
from torch.utils.data import TensorDataset
from nanocl.streams import Stream, make_scenario

class Blobs(Stream):
    def build(self, *, scenario, seed, data_root):
        generator = torch.Generator().manual_seed(seed)
        parts = []
        for first in (0, 2):
            labels = first + torch.arange(40) % 2
            points = torch.randn(40, 5, generator=generator) + 6 * (labels % 2)[:, None] - 3
            parts.append(TensorDataset(points, labels))
        RETURN
"""
MADE = "return make_scenario(kind=scenario, train=parts, test=parts)"


def written(tmp_path, **texts):
    paths = [tmp_path / f"{name}.py" for name in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        path.write_text(text)
    return Catalogue(paths)


def test_a_model_without_features_and_a_stream_of_tensor_data_sets_run(tmp_path):
    catalogue = written(tmp_path, net=NET, blobs=STREAM.replace("RETURN", MADE))
    settings = {"sgd": {"lr": "0.1"}, "training": {"epochs": "5"}}
    named = {"stream": "blobs", "model": "net", "scenario": "task", "settings": settings}
    run = spec("sgd", catalogue=catalogue, **named)
    learner, scenario = build(run, Context(catalogue))
    assert learner.model.backbone.features == 24 and scenario.inputs == (5,)
    assert scenario.outputs == 4 and scenario.classes == ((0, 1), (2, 3))
    result = experiment.run_one(run, Context(catalogue))
    assert result.status == "ok" and min(result.evaluation[-1]) > 0.8


def test_a_stream_that_returns_something_else_is_told_what_to_return(tmp_path):
    catalogue = written(tmp_path, blobs=STREAM.replace("RETURN", "return parts"))
    run = spec("sgd", catalogue=catalogue, stream="blobs")
    with pytest.raises(UserError, match=r"blobs: build must return .*make_scenario.*, got list"):
        build(run, Context(catalogue))


def test_a_model_whose_output_is_no_vector_is_refused_with_its_shape(tmp_path):
    text = NET.replace("self.layers(x)", "self.layers(x)[:, :, None]")
    catalogue = written(tmp_path, net=text)
    run = spec("sgd", catalogue=catalogue, model="net")
    with pytest.raises(UserError, match="net must return one feature vector per image, got shape"):
        build(run, Context(catalogue))
