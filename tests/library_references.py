"""The papers' formulas of optimizers of other packages, written out, and steps to compare."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn


def walk(strategy, count, *, scale=1.0, dtype=torch.float64, sizes=(6, 5, 7, 3)):
    """Steps along fixed random gradients.

    Returns:
        The weights before and after each of `count` steps, the gradients, and the optimizer.
    """
    generator = torch.Generator().manual_seed(3)
    model = nn.Sequential(*(nn.Linear(a, b) for a, b in pairwise(sizes))).to(dtype)
    for p in model.parameters():
        p.data.copy_(torch.randn(p.shape, generator=generator))
    optimizer, path, gradients = strategy.make_optimizer(model), [], []
    for _ in range(count):
        path.append({name: p.detach().clone() for name, p in model.named_parameters()})
        drawn = {}
        for name, p in model.named_parameters():
            drawn[name] = scale * torch.randn(p.shape, generator=generator, dtype=torch.float64)
        gradients.append(drawn)
        for name, p in model.named_parameters():
            p.grad = gradients[-1][name].to(dtype, copy=True)  # some overwrite it
        optimizer.step()
    path.append({name: p.detach().clone() for name, p in model.named_parameters()})
    return path, gradients, optimizer


def error(path, gradients, reference, name):
    """Difference of the whole update from the reference's, relative to the reference's."""
    start, end = path[0][name].double(), path[-1][name].double()
    expected = reference(start, [g[name] for g in gradients])
    return float((end - expected).norm() / (expected - start).norm())


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
    """Jordan et al., 2024, with the quintic iteration on the singular values, on which it acts."""
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
    """Shazeer and Stern, 2018, arXiv:1804.04235, Algorithms 4 and 5."""
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
    """Zhao et al., 2024, arXiv:2403.03507, Algorithm 2, with decay last.

    `early` is the number of steps by which each projection after the first is early.
    """
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


def dequantised(state: dict) -> tuple[Tensor, Tensor]:
    """Both moments of an 8-bit state in float32."""
    if "exp_avg" in state:
        return state["exp_avg"].dequantize(), state["exp_avg_sq"].dequantize()
    return _moment(state, 1), _moment(state, 2)


def _moment(state: dict, number: int) -> Tensor:
    codes = state[f"state{number}"]
    blocks = state[f"qmap{number}"][codes.int()].view(-1, 256)
    return (blocks * state[f"absmax{number}"][:, None]).view(codes.shape)


def assert_adamw_from_rounded_moments(strategy):
    """Each step is AdamW's from the stored moments, which were rounded after the step before.

    Dettmers et al., 2022, arXiv:2110.02861, section 2, with blocks of 256, each scaled by its
    largest magnitude. The strategy has lr 0.01 and weight decay 0.1.
    """
    model, generator = nn.Linear(64, 96, bias=False), torch.Generator().manual_seed(0)
    optimizer = strategy.make_optimizer(model)
    m = v = torch.zeros(96, 64)
    for t in range(1, 6):
        g, before = torch.randn(96, 64, generator=generator), model.weight.detach().clone()
        model.weight.grad = g.clone()
        optimizer.step()
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        update = (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)).sqrt() + 1e-8)
        expected = before * (1 - 0.01 * 0.1) - 0.01 * update
        assert torch.allclose(model.weight, expected, rtol=1e-5, atol=1e-6)
        stored = dequantised(optimizer.state[model.weight])
        for exact, rounded in zip((m, v), stored, strict=True):
            largest = exact.view(-1, 256).abs().amax(1, keepdim=True)
            off = float(((rounded - exact).view(-1, 256).abs() / largest).max())
            # half of the widest gap in the table of levels, 0.9 / 64; bitsandbytes does not always
            # round to the very nearest level
            assert off < 1.01 * 0.9 / 64 / 2
        m, v = stored
