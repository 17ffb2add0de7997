"""What the libraries compute against the papers' formulas, written out here; what differs is pinned as it differs."""

import inspect
import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from nanocl.plugins.catalogue import Catalogue, UnknownOption


def make(name, **given):
    library = name.split(":")[0]
    if library != "torch":
        pytest.importorskip(library.replace("-", "_"))
    return Catalogue().make("strategies", Catalogue().complete("strategies", name, given))


def walk(strategy, count, *, scale=1.0, dtype=torch.float64, sizes=(6, 5, 7, 3)):
    """Weights before and after each of `count` steps along fixed random gradients, the gradients, the optimizer."""
    chance = torch.Generator().manual_seed(3)
    model = nn.Sequential(*(nn.Linear(a, b) for a, b in pairwise(sizes))).to(dtype)
    for p in model.parameters():
        p.data.copy_(torch.randn(p.shape, generator=chance))
    optimizer, path, gradients = strategy.make_optimizer(model), [], []
    for _ in range(count):
        path.append({name: p.detach().clone() for name, p in model.named_parameters()})
        gradients.append(
            {
                name: scale * torch.randn(p.shape, generator=chance, dtype=torch.float64)
                for name, p in model.named_parameters()
            }
        )
        for name, p in model.named_parameters():
            p.grad = gradients[-1][name].to(dtype, copy=True)  # some use it as scratch space
        optimizer.step()
    path.append({name: p.detach().clone() for name, p in model.named_parameters()})
    return path, gradients, optimizer


def error(path, gradients, reference, name):
    """Difference of the whole update from the reference's, relative to the reference's."""
    start, end = path[0][name].double(), path[-1][name].double()
    wanted = reference(start, [g[name] for g in gradients])
    return float((end - wanted).norm() / (wanted - start).norm())


def adamw(w, gradients, *, lr, beta1=0.9, beta2=0.999, eps=1e-8, decay=0.0):
    """Loshchilov and Hutter, 2019, arXiv:1711.05101, Algorithm 2."""
    m, v = torch.zeros_like(w), torch.zeros_like(w)
    for t, g in enumerate(gradients, 1):
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
        w = w - lr * decay * w - lr * (m / (1 - beta1**t)) / ((v / (1 - beta2**t)).sqrt() + eps)
    return w


def lion(w, gradients, *, lr, beta1=0.9, beta2=0.99, decay=0.0):
    """Chen et al., 2023, arXiv:2302.06675, Algorithm 2."""
    m = torch.zeros_like(w)
    for g in gradients:
        update = (beta1 * m + (1 - beta1) * g).sign()
        w, m = w - lr * (update + decay * w), beta2 * m + (1 - beta2) * g
    return w


def muon(w, gradients, *, lr, decay, momentum=0.95):
    """Jordan et al., 2024: the quintic iteration acts on the singular values, so it is done on them alone."""
    buffer = torch.zeros_like(w)
    for g in gradients:
        buffer = momentum * buffer + g
        u, s, v = torch.linalg.svd((g + momentum * buffer).flatten(1), full_matrices=False)
        s = s / s.norm()
        for _ in range(5):
            s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
        shape = math.sqrt(max(1.0, w.shape[0] / g.flatten(1).shape[1]))
        w = w - lr * decay * w - lr * shape * (u * s @ v).view_as(w)
    return w


def adafactor(w, gradients, *, lr=1e-2, eps1=1e-30, eps2=1e-3, threshold=1.0):
    """Shazeer and Stern, 2018, arXiv:1804.04235, Algorithms 4 and 5, with sums of rows and columns as there."""
    rows = columns = second = 0.0
    for t, g in enumerate(gradients, 1):
        beta = 1 - t**-0.8
        size = max(eps2, w.square().mean().sqrt()) * min(lr, 1 / math.sqrt(t))
        square = g * g + eps1
        if g.ndim == 2:
            rows = beta * rows + (1 - beta) * square.sum(1, keepdim=True)
            columns = beta * columns + (1 - beta) * square.sum(0, keepdim=True)
            second = rows @ columns / rows.sum()
        else:
            second = beta * second + (1 - beta) * square
        update = g / second.sqrt()
        w = w - size * update / max(1.0, update.square().mean().sqrt() / threshold)
    return w


def galore(w, gradients, *, lr, rank, gap, scale, decay, eps=1e-6, beta1=0.9, beta2=0.999, early=1):
    """Zhao et al., 2024, arXiv:2403.03507, Algorithm 2, decay last; `early`: steps that each projection is early."""
    m = v = 0.0
    for t, g in enumerate(gradients):
        left = g.shape[0] < g.shape[1]
        if t == 0 or (t + early) % gap == 0:
            u, _, vh = torch.linalg.svd(g, full_matrices=False)
            projection = u[:, :rank] if left else vh[:rank].T
        low = projection.T @ g if left else g @ projection
        m, v = beta1 * m + (1 - beta1) * low, beta2 * v + (1 - beta2) * low * low
        step = (m / (1 - beta1 ** (t + 1))) / ((v / (1 - beta2 ** (t + 1))).sqrt() + eps)
        w = w - lr * scale * (projection @ step if left else step @ projection.T)
        w = w - lr * decay * w
    return w


@pytest.mark.parametrize(
    ("name", "decay"), [("torch:AdamW", 0.1), ("torch:Adam", 0.0), ("torchao:AdamW8bit", 0.1)]
)
def test_adam_and_adamw_are_right(name, decay):
    path, gradients, _ = walk(make(name, lr=0.01, weight_decay=decay), 5, dtype=torch.float32)
    assert error(path, gradients, lambda w, g: adamw(w, g, lr=0.01, decay=decay), "1.weight") < 1e-5


@pytest.mark.parametrize("name", ["torch:Muon", "pytorch-optimizer:Muon"])
def test_muon_is_right_on_hidden_matrices_and_adamw_elsewhere(name):
    path, gradients, _ = walk(make(name, lr=0.02, weight_decay=0.1), 4)
    # the libraries iterate in bfloat16, which has 8 bits
    assert error(path, gradients, lambda w, g: muon(w, g, lr=0.02, decay=0.1), "1.weight") < 4e-2
    for other in ("0.weight", "2.weight", "1.bias"):
        assert (
            error(path, gradients, lambda w, g: adamw(w, g, lr=3e-4, beta2=0.95, eps=1e-10), other)
            < 1e-9
        )


def test_muon_flattens_a_convolution_to_a_matrix():
    kernel = nn.Conv2d(3, 40, 2)
    model = nn.Sequential(nn.Conv2d(1, 3, 1), kernel, nn.Flatten(), nn.Linear(40, 2))
    optimizer, before = (
        make("pytorch-optimizer:Muon", lr=0.02).make_optimizer(model),
        kernel.weight.detach().double(),
    )
    gradient = torch.randn(kernel.weight.shape, generator=torch.Generator().manual_seed(0))
    kernel.weight.grad = gradient.clone()
    optimizer.step()
    wanted = muon(before, [gradient.double()], lr=0.02, decay=0.0)
    assert float((kernel.weight.double() - wanted).norm() / (wanted - before).norm()) < 4e-2


@pytest.mark.parametrize(
    ("name", "tolerance"), [("pytorch-optimizer:Lion", 1e-12), ("bitsandbytes:Lion", 1e-5)]
)
def test_lion_is_right(name, tolerance):
    dtype = torch.float32 if tolerance > 1e-9 else torch.float64  # bitsandbytes computes in float32
    path, gradients, _ = walk(make(name, lr=0.01, weight_decay=0.3), 6, dtype=dtype)
    assert (
        error(path, gradients, lambda w, g: lion(w, g, lr=0.01, decay=0.3), "1.weight") < tolerance
    )


@pytest.mark.parametrize("name", ["torch:Adafactor", "pytorch-optimizer:AdaFactor"])
@pytest.mark.parametrize("weight", ["1.weight", "1.bias"])
def test_adafactor_is_right(name, weight):
    path, gradients, _ = walk(make(name), 5)
    assert error(path, gradients, adafactor, weight) < 1e-9


def test_adafactor_of_torch_departs_where_gradients_are_small():
    path, gradients, _ = walk(make("torch:Adafactor"), 5, scale=1e-5, dtype=torch.float32)
    assert error(path, gradients, adafactor, "1.weight") > 1e-2
    path, gradients, _ = walk(
        make("pytorch-optimizer:AdaFactor"), 5, scale=1e-5, dtype=torch.float32
    )
    assert error(path, gradients, adafactor, "1.weight") < 1e-4


def test_adafactor_of_pytorch_optimizer_is_another_one_by_its_own_defaults():
    library = pytest.importorskip("pytorch_optimizer")
    assert inspect.signature(library.AdaFactor).parameters["betas"].default == (0.9, 0.999), (
        "momentum"
    )
    path, gradients, _ = walk(make("pytorch-optimizer:AdaFactor", beta1=0.9), 5)
    assert error(path, gradients, adafactor, "1.weight") > 0.5


@pytest.mark.parametrize("weight", ["0.weight", "1.weight"])
def test_galore_is_right_and_renews_its_projection_one_step_early(weight):
    options = {
        "lr": 0.01,
        "rank": 2,
        "scale": 0.25,
        "eps": 1e-12,
    }  # with a larger one its place would matter
    path, gradients, _ = walk(
        make("pytorch-optimizer:GaLore", update_proj_gap=3, weight_decay=0.1, **options), 8
    )
    assert (
        error(path, gradients, lambda w, g: galore(w, g, gap=3, decay=0.1, **options), weight)
        < 1e-4
    )
    assert (
        error(
            path, gradients, lambda w, g: galore(w, g, gap=3, decay=0.1, early=0, **options), weight
        )
        > 0.1
    )


def test_galore_without_a_rank_would_be_adam():
    library = pytest.importorskip("pytorch_optimizer")
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
        wanted = update * mask * mask.numel() / (mask.sum() + 1)
        found = careful[t]["1.weight"] - careful[t + 1]["1.weight"]
        # AdaFactor keeps its momentum in bfloat16 on both sides, then rounds what is added to
        # float64 alike
        assert float((found - wanted).norm()) <= (4e-3 if name == "AdaFactor" else 1e-9) * float(
            wanted.norm() + 1e-12
        )
    assert masked > 5, "the test needs entries that disagree"


@pytest.mark.parametrize("name", ["Muon", "AdEMAMix", "Grams"])
def test_no_cautious_option_where_the_library_has_it_wrong_or_ignores_it(name):
    with pytest.raises(UnknownOption, match="no option 'cautious'"):
        make(f"pytorch-optimizer:{name}", cautious=True)


def test_cautious_muon_masks_by_something_else_than_the_gradient():
    library = pytest.importorskip("pytorch_optimizer")

    def updates(**options):
        p, found = nn.Parameter(torch.zeros(8, 5)), []
        optimizer = library.Muon([{"params": [p], "use_muon": True, **options}])
        for seed in range(4):
            p.grad = torch.randn(8, 5, generator=torch.Generator().manual_seed(seed))
            before = p.detach().clone()
            optimizer.step()
            found.append(before - p.detach())
        return found

    gradient = torch.randn(8, 5, generator=torch.Generator().manual_seed(3))
    mask = updates()[3] * gradient > 0
    assert bool(((updates(cautious=True)[3] != 0) & ~mask).any()), (
        "an entry against its gradient moves"
    )


def dequantised(state: dict) -> tuple[Tensor, Tensor]:
    """Both moments of an 8-bit state in float32."""
    if "exp_avg" in state:
        return state["exp_avg"].dequantize(), state["exp_avg_sq"].dequantize()
    return tuple(
        (
            state[f"qmap{i}"][state[f"state{i}"].int()].view(-1, 256) * state[f"absmax{i}"][:, None]
        ).view(state[f"state{i}"].shape)
        for i in (1, 2)
    )


@pytest.mark.parametrize("name", ["torchao:AdamW8bit", "bitsandbytes:AdamW8bit"])
def test_adamw_of_8_bits_takes_the_steps_of_adamw_from_rounded_moments(name):
    """Dettmers et al., 2022, arXiv:2110.02861, section 2: blocks of 256, each scaled by its largest magnitude."""
    model = nn.Linear(64, 96, bias=False)
    optimizer, chance = (
        make(name, lr=0.01, weight_decay=0.1).make_optimizer(model),
        torch.Generator().manual_seed(0),
    )
    m = v = torch.zeros(96, 64)
    for t in range(1, 6):
        g, before = torch.randn(96, 64, generator=chance), model.weight.detach().clone()
        model.weight.grad = g.clone()
        optimizer.step()
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        wanted = before * (1 - 0.01 * 0.1) - 0.01 * (m / (1 - 0.9**t)) / (
            (v / (1 - 0.999**t)).sqrt() + 1e-8
        )
        assert torch.allclose(model.weight, wanted, rtol=1e-5, atol=1e-6)
        for exact, rounded in zip((m, v), dequantised(optimizer.state[model.weight]), strict=True):
            largest = exact.view(-1, 256).abs().amax(1, keepdim=True)
            # the widest gap in the map is 0.9 / 64; the rounding of bitsandbytes is not to the very
            # nearest
            assert (
                float(((rounded - exact).view(-1, 256).abs() / largest).max()) < 1.01 * 0.9 / 64 / 2
            )
        m, v = dequantised(optimizer.state[model.weight])


def test_adam_of_bitsandbytes_decays_weights_as_adamw_so_the_option_is_left_out():
    library = pytest.importorskip("bitsandbytes")
    p, other = nn.Parameter(torch.ones(4)), nn.Parameter(torch.ones(4))
    for parameter, optimizer in (
        (p, library.optim.Adam([p], lr=0.01, weight_decay=0.5)),
        (other, library.optim.AdamW([other], lr=0.01, weight_decay=0.5)),
    ):
        parameter.grad = torch.tensor([1.0, -1.0, 2.0, 0.1])
        optimizer.step()
    assert torch.equal(p, other)
    assert (
        "weight_decay"
        not in Catalogue().complete("strategies", "bitsandbytes:Adam8bit", {}).options
    )
    assert (
        "weight_decay" in Catalogue().complete("strategies", "bitsandbytes:AdamW8bit", {}).options
    )


def test_lamb_of_bitsandbytes_scales_no_layer_so_it_is_refused():
    library = pytest.importorskip("bitsandbytes")
    p, other = nn.Parameter(torch.ones(64, 64)), nn.Parameter(torch.ones(64, 64))
    for parameter, optimizer in (
        (p, library.optim.LAMB8bit([p], lr=0.01)),
        (other, library.optim.AdamW8bit([other], lr=0.01, weight_decay=0.0)),
    ):
        parameter.grad = torch.randn(64, 64, generator=torch.Generator().manual_seed(0))
        optimizer.step()
    assert torch.equal(p, other)
