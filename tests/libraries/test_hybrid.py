"""Hidden weight matrices go to one optimizer, all other parameters to another."""

import pytest
import torch
from library_runs import make, network, steps, weights
from torch import nn

from nanocl.libraries.hybrid import Hybrid, check_projection, matrices_of, projection


def test_the_first_projection_of_a_language_model_is_a_hidden_matrix():
    """Its input layer is the embedding, wherever position embeddings stand."""
    model = nn.Sequential(
        nn.Embedding(10, 4),
        nn.Embedding(5, 4),
        nn.Linear(4, 4),
        nn.LayerNorm(4),
        nn.Linear(4, 4),
        nn.Linear(4, 10),
    )
    for input_layer in (False, True):
        assert matrices_of(model, input_layer=input_layer, convolutions=False) == {
            "2.weight",
            "4.weight",
        }
    plain = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    assert matrices_of(plain, input_layer=False, convolutions=False) == {"1.weight"}
    assert matrices_of(plain, input_layer=True, convolutions=False) == {"0.weight", "1.weight"}


def test_muon_leaves_all_but_hidden_matrices_to_adamw():
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.Conv2d(4, 4, 3),
        nn.BatchNorm2d(4),
        nn.Flatten(),
        nn.Linear(4, 6),
        nn.Linear(6, 3),
    )

    def matrices(name, **options):
        groups = make(name, **options).make_optimizer(model).param_groups
        assert len(groups) == 2 and sum(len(group["params"]) for group in groups) == 10
        return [tuple(p.shape) for p in groups[0]["params"]]

    assert matrices("torch:Muon") == [(6, 4)]
    assert matrices("pytorch-optimizer:Muon") == [(4, 4, 3, 3), (6, 4)]
    assert matrices("pytorch-optimizer:Muon", input_layer=True) == [
        (4, 1, 3, 3),
        (4, 4, 3, 3),
        (6, 4),
    ]
    with pytest.raises(ValueError, match="between its first and its output layer"):
        make("torch:Muon").make_optimizer(network(4, 3))


def test_a_hybrid_takes_the_steps_of_its_members_on_their_parameters():
    model, alone = network(3, 4, 2), network(3, 4, 2)
    hybrid = Hybrid(
        torch.optim.SGD(model[0].parameters(), lr=0.1),
        torch.optim.Adam(model[1].parameters(), lr=0.01),
    )
    steps(hybrid, model, 3)
    sgd = torch.optim.SGD(alone[0].parameters(), lr=0.1)
    adam = torch.optim.Adam(alone[1].parameters(), lr=0.01)
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        for p in alone.parameters():
            p.grad = torch.randn(p.shape, generator=generator)
        sgd.step()
        adam.step()
    assert all(map(torch.equal, weights(model), weights(alone)))
    assert set(hybrid.state) == set(model[1].parameters()), "the state is the hybrid's own"


def test_a_hybrid_returns_the_loss_of_its_closure():
    model = network(2, 2)
    hybrid = Hybrid(torch.optim.SGD(model.parameters(), lr=0.1))
    assert hybrid.step(lambda: 1.5) == 1.5 and hybrid.step() is None


@pytest.mark.parametrize("name", ["rank", "update_proj_gap"])
def test_a_projection_of_rank_or_interval_0_is_an_error(name):
    options = {key: value for key, (_, value) in projection(rank=4, scale=1.0, kind="std").items()}
    check_projection(options)
    with pytest.raises(ValueError, match=f"{name} must be in"):
        check_projection({**options, name: 0})
