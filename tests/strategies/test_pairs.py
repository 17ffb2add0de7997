"""Each part of a composition adds what its own formula says, beside any other part."""

import copy
import itertools

import pytest
import torch
from fisher_cases import sample_by_sample
from torch import nn
from torch.nn.functional import cross_entropy

from nanocl.strategies import Strategy
from nanocl.strategies.a_gem import AGEM
from nanocl.strategies.derpp import DERpp
from nanocl.strategies.er import ER
from nanocl.strategies.ewc import EWC
from nanocl.strategies.joint import Joint
from nanocl.strategies.lwf import LwF
from nanocl.strategies.online_ewc import OnlineEWC
from nanocl.strategies.sgd import SGD
from nanocl.strategies.si import SI
from nanocl.testing import small_learner, small_stream

PARTS = {
    "er": lambda: ER(memory_size=8, replay_batch_size=5, balance="experience"),
    "derpp": lambda: DERpp(memory_size=10, alpha=0.3, beta=0.7, replay_batch_size=4),
    "a-gem": lambda: AGEM(memory_size=8, replay_batch_size=5),
    "lwf": lambda: LwF(strength=4.0, temperature=2.0),
    "ewc": lambda: EWC(strength=20.0, samples=0),
    "online-ewc": lambda: OnlineEWC(strength=20.0, decay=0.5, samples=0),
    "si": lambda: SI(strength=3.0),
    "joint": Joint,
}
PAIRS = [*itertools.permutations(PARTS, 2)]
BATCH = 6


class Past(Strategy):
    """What the formulas need of past experiences, read from the learner without any other part.

    Attributes:
        models: The model at the end of each experience.
        fishers: Its exact Fisher, with one backward pass for each sample and class.
        omega: The importance of synaptic intelligence.
    """

    def __init__(self, names):
        super().__init__()
        self.own_pull = 3.0 if "si" in names else 0.0
        self.needs_fisher = bool({"ewc", "online-ewc"} & {*names})
        self.models, self.fishers, self.omega, self.steps = [], [], {}, []

    def before_update(self, strategy, **kwargs):
        weights = values(strategy.model)
        gradients = {
            name: torch.zeros_like(p) if p.grad is None else p.grad.clone()
            for name, p in strategy.model.named_parameters()
        }
        if self.omega:
            anchor = values(self.models[-1])
            for name, omega in self.omega.items():
                gradients[name] -= self.own_pull * 2 * omega * (weights[name] - anchor[name])
        self.steps.append((weights, gradients))

    def after_training_exp(self, strategy, **kwargs):
        model = copy.deepcopy(strategy.model)
        inputs, _, labels = whole(strategy.experience)
        first = self.steps[0][0]
        after = [*(weights for weights, _ in self.steps[1:]), values(model)]
        for name, end in values(model).items():
            path = sum(
                g[name] * (w[name] - next_[name])
                for (w, g), next_ in zip(self.steps, after, strict=True)
            )
            gained = path / ((end - first[name]).square() + 0.1)
            self.omega[name] = (self.omega.get(name, 0.0) + gained).clamp(min=0.0)
        self.models.append(model)
        if self.needs_fisher:
            self.fishers.append(sample_by_sample(copy.deepcopy(model), inputs, labels))
        self.steps = []


def values(model):
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def whole(experience):
    dataset = experience.dataset._flat_data._datasets[0]
    return dataset.batch(torch.arange(len(dataset)))


def squares(now, weights, centre):
    return sum((w * (now[name] - centre[name]).square()).sum() for name, w in weights.items())


def er_adds(part, strategy, model, past):
    count = len(past.models)
    new, replayed = slice(0, BATCH), slice(BATCH, BATCH + 5)
    losses = [
        cross_entropy(model(strategy.mb_x[rows], strategy.mb_task_id[rows]), strategy.mb_y[rows])
        for rows in (slice(None), new, replayed)
    ]
    return losses[1] / (count + 1) + losses[2] * count / (count + 1) - losses[0]


def derpp_adds(part, strategy, model, past):
    (first, _, labels, scores), (second, targets, second_labels, _) = part.drawn
    now = model(first, labels)
    opened = scores > -5e3
    difference = (now - scores)[opened].square().mean()
    return 0.3 * difference + 0.7 * cross_entropy(model(second, second_labels), targets)


def lwf_adds(part, strategy, model, past):
    teacher = past.models[-1].eval()
    own = model.kind == "own"
    total = 0.0
    for label in range(len(past.models)) if own else [0]:
        # without heads of their own all active classes compete; closed ones have probability 0
        columns = [2 * label, 2 * label + 1] if own else slice(None)
        labels = torch.full_like(strategy.mb_task_id, label) if own else strategy.mb_task_id
        before = (teacher(strategy.mb_x, labels)[:, columns] / 2.0).softmax(1)
        now = (model(strategy.mb_x, labels)[:, columns] / 2.0).softmax(1)
        entries = torch.xlogy(before, before) - torch.xlogy(before, now)
        total = total + entries.sum(1).mean()
    return 4.0 * total


def ewc_adds(part, strategy, model, past):
    now = values(model)
    pairs = zip(past.fishers, past.models, strict=True)
    return 10.0 * sum(squares(now, fisher, values(centre)) for fisher, centre in pairs)


def online_ewc_adds(part, strategy, model, past):
    decayed = {}
    for fisher in past.fishers:
        decayed = {name: new + 0.5 * decayed.get(name, 0.0) for name, new in fisher.items()}
    return 10.0 * squares(values(model), decayed, values(past.models[-1]))


def si_adds(part, strategy, model, past):
    return 3.0 * squares(values(model), past.omega, values(past.models[-1]))


ADDS = {
    "er": er_adds,
    "derpp": derpp_adds,
    "lwf": lwf_adds,
    "ewc": ewc_adds,
    "online-ewc": online_ewc_adds,
    "si": si_adds,
}


def watch_loss(name, part, past, compared):
    """Compare what the part adds to the loss with its formula, on a copy of the model."""
    hook = part.before_backward

    def watched(strategy, **kwargs):
        before = strategy.loss.item()
        hook(strategy, **kwargs)
        if past.models:
            wanted = ADDS[name](part, strategy, copy.deepcopy(strategy.model), past)
            compared.append((name, strategy.loss.item() - before, float(wanted)))

    part.before_backward = watched


def watch_gradient(part, past, compared):
    """Compare the projection with equation 11 of A-GEM, on a copy of the model."""
    hook = part.after_backward

    def watched(strategy, **kwargs):
        model = copy.deepcopy(strategy.model)
        flat = [
            torch.zeros_like(p) if p.grad is None else p.grad.clone()
            for p in strategy.model.parameters()
        ]
        hook(strategy, **kwargs)
        if not past.models:
            return
        inputs, targets, labels = part.drawn
        loss = cross_entropy(model(inputs, labels), targets)
        reference = torch.autograd.grad(
            loss, [*model.parameters()], allow_unused=True, materialize_grads=True
        )
        along = sum((g * r).sum() for g, r in zip(flat, reference, strict=True))
        length = sum(r.square().sum() for r in reference)
        share = min(along / length, torch.tensor(0.0))
        for p, g, r in zip(strategy.model.parameters(), flat, reference, strict=True):
            now = torch.zeros_like(p) if p.grad is None else p.grad
            torch.testing.assert_close(now, g - share * r, rtol=1e-4, atol=1e-6)
        compared.append(("a-gem", share.item(), share.item()))

    part.after_backward = watched


def backbone():
    torch.manual_seed(3)
    layers = nn.Sequential(nn.Flatten(), nn.Linear(16, 6), nn.ReLU())
    layers.features = 6
    return layers


@pytest.mark.parametrize("scenario", ["class", "task"])
@pytest.mark.parametrize("names", PAIRS, ids="+".join)
def test_each_part_of_a_pair_adds_what_its_own_formula_says(names, scenario):
    stream = small_stream(scenario, samples=2 * BATCH)
    parts = {name: PARTS[name]() for name in names}
    past, compared, seen = Past(names), [], []
    for name, part in parts.items():
        if name in ADDS:
            watch_loss(name, part, past, compared)
        elif name == "a-gem":
            watch_gradient(part, past, compared)
    learner = small_learner(
        stream,
        [*parts.values(), past, SGD(lr=0.5)],
        epochs=1,
        batch_size=BATCH,
        backbone=backbone(),
    )
    for experience in stream.train_stream:
        learner.train(experience, eval_streams=[])
        seen.append(learner.clock.train_exp_iterations)
    for name, added, wanted in compared:
        assert added == pytest.approx(wanted, rel=1e-3, abs=3e-6), name
    for name in {*names} - {"joint"}:
        sizes = [abs(wanted) for checked, _, wanted in compared if checked == name]
        # on replayed samples the gradient never points against that of the memory
        is_idle = {*names} == {"a-gem", "er"} and name == "a-gem"
        assert len(sizes) >= 8 and (is_idle or max(sizes) > 1e-4), name
    assert seen == ([4, 8, 12] if "joint" in names else [4, 4, 4])
    if "derpp" in names:
        assert parts["derpp"].met == BATCH * sum(seen)
