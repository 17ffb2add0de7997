"""The optimizers of pytorch-optimizer against the papers' formulas, with their departures."""

import inspect

import pytest
import torch
from library_references import adafactor, adamw, error, galore, lion, muon, walk
from library_runs import make
from torch import nn

from nanocl.plugins.values import UnknownOption

library = pytest.importorskip("pytorch_optimizer")


def test_muon_agrees_on_hidden_matrices_and_is_adamw_elsewhere():
    path, gradients, _ = walk(make("pytorch-optimizer:Muon", lr=0.02, weight_decay=0.1), 4)
    # the library iterates in bfloat16, which has 8 bits
    assert error(path, gradients, lambda w, g: muon(w, g, lr=0.02, decay=0.1), "1.weight") < 4e-2
    for other in ("0.weight", "2.weight", "1.bias"):
        off = error(
            path, gradients, lambda w, g: adamw(w, g, lr=3e-4, beta2=0.95, eps=1e-10), other
        )
        assert off < 1e-9


def test_muon_flattens_a_convolution_to_a_matrix():
    kernel = nn.Conv2d(3, 40, 2)
    model = nn.Sequential(nn.Conv2d(1, 3, 1), kernel, nn.Flatten(), nn.Linear(40, 2))
    optimizer = make("pytorch-optimizer:Muon", lr=0.02).make_optimizer(model)
    before = kernel.weight.detach().double()
    gradient = torch.randn(kernel.weight.shape, generator=torch.Generator().manual_seed(0))
    kernel.weight.grad = gradient.clone()
    optimizer.step()
    expected = muon(before, [gradient.double()], lr=0.02, decay=0.0)
    assert float((kernel.weight.double() - expected).norm() / (expected - before).norm()) < 4e-2


def test_lion_agrees_with_the_paper():
    path, gradients, _ = walk(make("pytorch-optimizer:Lion", lr=0.01, weight_decay=0.3), 6)
    assert error(path, gradients, lambda w, g: lion(w, g, lr=0.01, decay=0.3), "1.weight") < 1e-12


@pytest.mark.parametrize("weight", ["1.weight", "1.bias"])
def test_adafactor_agrees_with_the_paper(weight):
    path, gradients, _ = walk(make("pytorch-optimizer:AdaFactor"), 5)
    assert error(path, gradients, adafactor, weight) < 1e-9


def test_adafactor_agrees_where_gradients_are_small():
    strategy = make("pytorch-optimizer:AdaFactor")
    path, gradients, _ = walk(strategy, 5, scale=1e-5, dtype=torch.float32)
    assert error(path, gradients, adafactor, "1.weight") < 1e-4


def test_adafactor_with_the_librarys_own_defaults_differs_from_the_paper():
    betas = inspect.signature(library.AdaFactor).parameters["betas"].default
    assert betas == (0.9, 0.999), "momentum"
    path, gradients, _ = walk(make("pytorch-optimizer:AdaFactor", beta1=0.9), 5)
    assert error(path, gradients, adafactor, "1.weight") > 0.5


@pytest.mark.parametrize("weight", ["0.weight", "1.weight"])
def test_galore_agrees_but_renews_its_projection_one_step_early(weight):
    # with a larger eps its place in the formula would matter
    options = {"lr": 0.01, "rank": 2, "scale": 0.25, "eps": 1e-12}
    strategy = make("pytorch-optimizer:GaLore", update_proj_gap=3, weight_decay=0.1, **options)
    path, gradients, _ = walk(strategy, 8)

    def off(early):
        return error(
            path,
            gradients,
            lambda w, g: galore(w, g, gap=3, decay=0.1, early=early, **options),
            weight,
        )

    assert off(early=1) < 1e-4 and off(early=0) > 0.1


def test_galore_without_a_rank_would_be_adam():
    assert "rank" not in inspect.signature(library.GaLore).parameters
    path, gradients, optimizer = walk(make("pytorch-optimizer:GaLore", lr=0.01, rank=2), 2)
    kept = [state["exp_avg"].shape for state in optimizer.state.values()]
    assert torch.Size((2, 6)) in kept and torch.Size((7, 2)) in kept, (
        "moments of the projected gradient"
    )
    assert error(path, gradients, lambda w, g: adamw(w, g, lr=0.01, eps=1e-6), "1.bias") < 1e-4


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("Lion", {}),
        ("ADOPT", {}),
        ("LaProp", {"foreach": False}),
        ("AdamP", {"delta": 0.0}),
        ("MARS", {}),
        ("AdaFactor", {"beta1": 0.9, "relative_step": False, "lr": 0.01, "scale_parameter": False}),
    ],
)
def test_a_cautious_update_keeps_the_entries_that_agree_with_the_gradient(name, given):
    """Liang et al., 2024, arXiv:2411.16085, Algorithm 1: u * mask * d / (mask.sum() + 1)."""
    steady, gradients, _ = walk(make(f"pytorch-optimizer:{name}", **given), 5)
    careful, _, _ = walk(make(f"pytorch-optimizer:{name}", cautious=True, **given), 5)
    masked = 0
    for t, g in enumerate(gradients):
        update = steady[t]["1.weight"] - steady[t + 1]["1.weight"]
        mask = (update * g["1.weight"] > 0).double()
        masked += int((mask == 0).sum())
        expected = update * mask * mask.numel() / (mask.sum() + 1)
        masked_update = careful[t]["1.weight"] - careful[t + 1]["1.weight"]
        # AdaFactor rounds its momentum to bfloat16
        tolerance = 4e-3 if name == "AdaFactor" else 1e-9
        assert (masked_update - expected).norm() <= tolerance * (expected.norm() + 1e-12)
    assert masked > 5, "the test needs entries that disagree"


@pytest.mark.parametrize("name", ["Muon", "AdEMAMix", "Grams"])
def test_cautious_is_no_option_where_the_library_differs_from_the_paper_or_ignores_it(name):
    with pytest.raises(UnknownOption, match="no option 'cautious'"):
        make(f"pytorch-optimizer:{name}", cautious=True)


def test_cautious_muon_does_not_mask_by_the_gradient():
    def updates(**options):
        p, changes = nn.Parameter(torch.zeros(8, 5)), []
        optimizer = library.Muon([{"params": [p], "use_muon": True, **options}])
        for seed in range(4):
            p.grad = torch.randn(8, 5, generator=torch.Generator().manual_seed(seed))
            before = p.detach().clone()
            optimizer.step()
            changes.append(before - p.detach())
        return changes

    gradient = torch.randn(8, 5, generator=torch.Generator().manual_seed(3))
    mask = updates()[3] * gradient > 0
    moves = updates(cautious=True)[3] != 0
    assert bool((moves & ~mask).any()), "an entry moves against its gradient"
