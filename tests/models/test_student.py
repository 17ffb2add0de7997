"""The student starts as the paper describes."""

import pytest
import torch

from nanocl.models.student import Student
from nanocl.training.heads import Network


def test_the_student_starts_at_zero_with_mirrored_neurons_and_no_biases():
    torch.manual_seed(0)
    network = Network(Student((3,), hidden=2000, init_scale=2.0), outputs=1)
    named = dict(network.named_parameters())
    assert set(named) == {"backbone.layer.weight", "head.weight"}
    w, a = named["backbone.layer.weight"], named["head.weight"]
    assert torch.equal(w[:1000], w[1000:]) and torch.equal(a[:, :1000], -a[:, 1000:])
    assert w.std().item() == pytest.approx(2 / 2000**0.5, rel=0.1)
    assert a.std().item() == pytest.approx(2 / 2000**0.5, rel=0.1)
    x = torch.randn(50, 3)
    assert torch.allclose(network(x), torch.zeros(50, 1), atol=1e-6)
    assert torch.equal(network.backbone(x), (x @ w.T).clamp(min=0))
