"""The study's engine agrees with the ordinary path and with plain references, and a seed's numbers are its own."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from nanocl.data.teachers import answers
from nanocl.optim import NanoAdam
from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import suite
from nanocl.protocols.request import Request
from nanocl.records import UserError
from nanocl.studies import teacher_student
from nanocl.studies.teacher_student import (
    _kernel,
    claims,
    engine,
    figures,
    measures,
    settings,
    storage,
    theorem,
)
from nanocl.studies.teacher_student.engine import Bench, Network, fit, run_of
from nanocl.studies.teacher_student.settings import ARMS, Condition, Setting
from nanocl.training import assembly, experiment, loop
from nanocl.training.context import Context
from nanocl.training.drift import DriftMeter
from nanocl.training.measure import Meter

QUICK = Setting(
    samples=60, test_samples=50, pretrain_steps=40, steps=30, interval=7, share=0.2, seeds=(0, 1, 2)
)
STEPS = 150


def spec(strategy: str, seed: int, **options: object):
    given = {
        strategy: {name: str(value) for name, value in options.items()},
        "training": {"iterations": str(STEPS), "optimizer_state": "reset"},
    }
    request = Request(
        stream="teacher-student", strategies=(strategy,), seeds=(seed,), settings=given
    )
    return suite.specs(request, Catalogue())[0]


def both_teachers(seed: int, **options: object) -> tuple[list[Network], object]:
    """The engine's network after teacher A and after teacher B, trained alike, from the ordinary start."""
    start = run_of(Setting(), "gd", seed).start
    tasks, network, networks = start.tasks(1), engine.initial(start)[0], []
    for teacher in tasks.teachers:
        network = fit(network, tasks.train, answers(tasks.train, *teacher), steps=STEPS, **options)[
            0
        ]
        networks.append(network)
    return networks, tasks


def random_network(
    hidden: int, dimension: int, seed: int = 0
) -> tuple[Network, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    network = Network(
        generator.standard_normal((hidden, dimension)), generator.standard_normal(hidden)
    )
    return network, generator.standard_normal((50, dimension)), generator.standard_normal(50)


@pytest.mark.parametrize("dimension", [1, 2, 3, 6, 7])
def test_a_step_follows_the_gradient_of_autograd_over_a_batch_of_networks(dimension):
    networks = [random_network(6, dimension, seed) for seed in range(4)]
    weights, heads, inputs, targets = (
        torch.tensor(np.stack(parts), dtype=torch.float32)
        for parts in zip(*((n.weights, n.head, x, y) for n, x, y in networks), strict=True)
    )

    def loss(w, a, x, y):
        return (torch.relu(x @ w.T) @ a - y).square().mean()

    slopes = torch.func.vmap(torch.func.grad(loss, argnums=(0, 1)))(weights, heads, inputs, targets)
    for place, (network, x, y) in enumerate(networks):
        after = fit(network, x, y, lr=0.1, steps=1)[0]
        for part, before, slope in zip(after, (weights, heads), slopes, strict=True):
            assert np.allclose(part, before[place] - 0.1 * slope[place], atol=2e-6)


@pytest.mark.parametrize(
    ("strategy", "options", "arm"),
    [("sgd", {"lr": 0.125}, {"lr": 0.125}), ("adam", {"lr": 3e-3}, {"lr": 3e-3, "adam": True})],
)
def test_gradient_descent_and_adam_equal_the_ordinary_path_seed_by_seed(strategy, options, arm):
    for seed in (0, 3):
        ordinary = experiment.run_one(spec(strategy, seed, **options), Context())
        networks, tasks = both_teachers(seed, **arm)
        for network, row in zip(networks, ordinary.evaluation, strict=True):
            mine = [
                measures.error(
                    *(part.astype(np.float64) for part in network),
                    tasks.test,
                    answers(tasks.test, *t),
                )
                for t in tasks.teachers
            ]
            assert mine == pytest.approx(row, rel=2e-4, abs=1e-9)


@pytest.mark.parametrize(
    ("select", "code"),
    [("small", _kernel.SMALL), ("large", _kernel.LARGE), ("gradient", _kernel.GRADIENT)],
)
@pytest.mark.parametrize("interval", [1, 20])
def test_a_masked_arm_with_adam_equals_the_nanoadam_plugin_weight_by_weight(select, code, interval):
    learner, scenario = assembly.build(
        spec(
            "nanoadam", 1, lr=3e-3, dense="none", density=0.2, mask_interval=interval, select=select
        ),
        Context(),
    )
    assert isinstance(learner.optimizer, NanoAdam)
    loop.train(
        learner, scenario, Meter(), drift=DriftMeter(learner.model, learner.model.head_parameters())
    )
    networks, _ = both_teachers(1, lr=3e-3, adam=True, select=code, share=0.2, interval=interval)
    ordinary = [weight.detach().numpy() for weight in learner.model.parameters()]
    assert np.allclose(networks[-1].weights, ordinary[0], atol=2e-4), np.abs(
        networks[-1].weights - ordinary[0]
    ).max()
    assert np.allclose(networks[-1].head, ordinary[1][0], atol=2e-4)


def test_the_numbers_of_a_seed_do_not_depend_on_what_runs_beside_it_bit_for_bit():
    whole = Bench(2).setting(QUICK)
    alone = Bench(1).setting(dataclasses.replace(QUICK, seeds=(2,)))
    bench = Bench(3)
    bench.setting(dataclasses.replace(QUICK, share=0.4, seeds=(5, 2, 1)))
    later = bench.setting(dataclasses.replace(QUICK, seeds=(2, 0)))
    for arm in ARMS:
        for measure in measures.MEASURES:
            assert whole[arm][measure][2] == alone[arm][measure][0] == later[arm][measure][0], (
                arm,
                measure,
            )


def test_an_arm_that_settings_share_is_trained_once(monkeypatch):
    bench, trained = Bench(1), []
    finetune = engine.finetune
    monkeypatch.setattr(
        engine, "finetune", lambda run, *rest: (trained.append(run), finetune(run, *rest))[1]
    )
    bench.setting(QUICK)
    bench.setting(dataclasses.replace(QUICK, share=0.4))
    assert len(trained) == 3 * (len(ARMS) + len(ARMS) - 3) and len(set(trained)) == len(trained)


@pytest.mark.parametrize(
    ("select", "lowest"),
    [
        (_kernel.SMALL, lambda w, g: np.abs(w)),
        (_kernel.LARGE, lambda w, g: -np.abs(w)),
        (_kernel.GRADIENT, lambda w, g: -np.abs(g)),
    ],
)
def test_one_step_changes_the_chosen_entries_of_each_layer_and_no_bit_of_the_others(select, lowest):
    network, x, y = random_network(10, 3)
    network = Network(*(part.astype(np.float32) for part in network))
    full = fit(network, x, y, lr=0.1, steps=1)[0]
    after = fit(network, x, y, lr=0.1, steps=1, select=select, share=0.2)[0]
    for before, dense, masked, count in zip(network, full, after, (6, 2), strict=True):
        order = np.argsort(lowest(before, dense - before).ravel(), kind="stable")
        expected = before.copy().ravel()
        expected[order[:count]] = dense.ravel()[order[:count]]
        assert np.array_equal(masked.ravel(), expected)


def test_whole_neurons_are_chosen_by_their_size_and_a_head_of_its_own_is_trained_whole():
    network, x, y = random_network(10, 3)
    size = np.abs(network.head) * np.linalg.norm(network.weights, axis=1)
    after = fit(network, x, y, lr=0.1, steps=20, select=_kernel.NEURON, share=0.2)[0]
    moved = np.any(after.weights != network.weights.astype(np.float32), axis=1)
    assert sorted(np.flatnonzero(moved)) == sorted(np.argsort(size)[:2])
    assert np.array_equal(moved, after.head != network.head.astype(np.float32))
    sizes = np.arange(10.0)[::-1]
    after = fit(
        network,
        x,
        y,
        lr=0.1,
        steps=1,
        select=_kernel.NEURON,
        share=0.2,
        dense_head=True,
        sizes=sizes,
    )[0]
    ranked = np.argsort(sizes * np.linalg.norm(network.weights, axis=1))[:2]
    assert sorted(
        np.flatnonzero(np.any(after.weights != network.weights.astype(np.float32), axis=1))
    ) == sorted(ranked)
    assert np.all(after.head != network.head.astype(np.float32))


def test_the_random_arm_reaches_every_entry_equally_often_and_chooses_anew():
    network, x, y = random_network(10, 3)
    start = network.weights.astype(np.float32)
    options = {"lr": 1e-3, "select": _kernel.RANDOM, "share": 0.2, "interval": 1}
    moved = [
        fit(network, x, y, steps=1, key=key, **options)[0].weights != start for key in range(400)
    ]
    assert {mask.sum() for mask in moved} == {6}
    counts = np.sum(moved, axis=0)
    assert counts.min() > 50 and counts.max() < 110, "80 are expected, with a deviation of 8"
    assert (fit(network, x, y, steps=100, **options)[0].weights != start).all()
    assert (
        fit(network, x, y, steps=100, **{**options, "interval": 0})[0].weights != start
    ).sum() == 6


def test_the_theorem_arm_trains_the_smallest_neuron_of_each_new_sign_without_its_head():
    run = run_of(dataclasses.replace(QUICK, extra=2), "theorem", 4)
    before = engine.initial(run.start)[0]
    before = Network(before.weights, before.head + np.float32(0.01))
    tasks = run.start.tasks(2)
    after = engine.finetune(run, before, before.head)[0]
    moved = np.flatnonzero(np.any(after.weights != before.weights, axis=1))
    size = np.abs(before.head) * np.linalg.norm(before.weights, axis=1)
    wanted = {
        sign: sorted(np.flatnonzero(np.sign(before.head) == sign), key=lambda i: size[i])
        for sign in (1.0, -1.0)
    }
    assert sorted(moved) == sorted(wanted[sign].pop(0) for sign in tasks.signs[2:])
    assert np.array_equal(after.head, before.head)


def test_a_run_that_blows_up_is_told_and_has_no_measures():
    found = Bench(1).setting(dataclasses.replace(QUICK, lr=1e6, seeds=(0,)))
    assert (
        found["gd"]["loss_b"] == [None]
        and found["gd"]["neurons"] == [None]
        and found["adam"]["loss_b"] != [None]
    )


def test_measures_of_a_network_that_can_be_checked_by_hand():
    start = run_of(QUICK, "gd", 0).start
    tasks = start.tasks(1)
    (old_a, old_w), (new_a, new_w) = tasks.teachers
    before = old_w[:2], old_a
    exact = measures.measure(
        (np.vstack([old_w, 1e-3 * new_w[2:]]), np.append(old_a, new_a[2])),
        (new_w, new_a),
        tasks,
        own=False,
        reached=7,
        finite=True,
    )
    assert exact["loss_b"] < 1e-20 and exact["keep_a"] < 1e-20 and exact["steps"] == 7
    change = answers(tasks.test, new_a, new_w) - answers(tasks.test, old_a, old_w)
    assert exact["oldhead_a"] == pytest.approx(np.mean(change**2))
    assert exact["drift"] == pytest.approx(0.999**2 / 9) and exact["drift_kept"] == 0
    assert exact["preserved"] == 2 and exact["unchanged"] == 1 and exact["flips"] == 0
    assert exact["cosine"] == pytest.approx(1) and exact["match"] == pytest.approx(1)
    flipped = measures.measure(
        before, (old_w[:2], -old_a), tasks, own=False, reached=None, finite=True
    )
    assert (
        flipped["flips"] == 2
        and flipped["preserved"] == 0
        and flipped["drift"] == pytest.approx(8 / 6)
    )


def test_the_kept_neurons_are_the_fewest_that_reach_the_share():
    size = np.array([1.0, 5.0, 0.5, 3.5])
    assert measures.largest(size, 0.95).tolist() == [1, 3, 0] and measures.largest(
        size, 0.85
    ).tolist() == [1, 3]
    assert (
        measures.preserved(size, np.array([1.0, 0.0, 1.0, 1e-7])) == 2
        and measures.preserved(size, np.zeros(4)) == 4
    )


def test_the_flow_of_v_is_gradient_descent_of_w_with_a_frozen():
    tasks = run_of(Setting(samples=100), "gd", 0).start.tasks(1)
    a, target = (
        0.2,
        np.maximum(tasks.train @ tasks.directions[-1], 0) + 0.01 * np.abs(tasks.train[:, 0]),
    )
    w = np.array([0.1, -0.15])
    extra = float(np.mean(target**2))
    end, time = theorem.flow(a * w, tasks.train, target, step=0.1, time=300.0, extra=extra)
    losses, steps = [], 60000
    for _ in range(steps):  # plain descent on half the mean squared error, learning rate 1
        active = tasks.train @ w > 0
        residual = a * np.where(active, tasks.train @ w, 0) - target
        losses.append(np.mean(residual**2))
        w = w - a * (residual * active) @ tasks.train / len(target)
    assert np.allclose(a * w, end, atol=1e-8)
    reached = next(step for step, loss in enumerate(losses) if loss <= losses[-1] + 0.01 * extra)
    assert reached == pytest.approx(time / a**2, rel=0.03)


def test_on_networks_that_meet_its_assumptions_the_limit_is_proportional_to_epsilon():
    condition = Condition(
        seeds=tuple(range(4)), samples=200, time=500.0, epsilons=(0.03, 0.003, 0.0003)
    )
    entry = {"condition": dataclasses.asdict(condition), "values": theorem.compute(condition, 2)}
    found = {claim.claim: claim for claim in claims.claims([], [entry])}
    limit = next(
        c for text, c in found.items() if text.startswith("gradient flow of one small neuron")
    )
    assert (
        next(iter(limit.findings.values()))[0].effect == pytest.approx(1, abs=0.05)
        and limit.verdict == "holds"
    )
    assert max(d for row in entry["values"]["distance"] for d in row) < 0.04


def test_a_call_measures_what_is_missing_and_draws_the_same_bytes_again(tmp_path, monkeypatch):
    plan = (
        [QUICK, dataclasses.replace(QUICK, angle=30.0), dataclasses.replace(QUICK, angle=90.0)],
        [
            Condition(seeds=(0, 1, 2), samples=60, time=50.0, epsilons=(0.1, 0.03, 0.01)),
            Condition(seeds=(0, 1, 2), samples=60, time=50.0, init_scale=1.0, pretrain_steps=50),
        ],
    )
    monkeypatch.setattr(teacher_student, "plan", lambda tier, seeds: plan)
    shares = []
    text = teacher_student.run(tmp_path, 2, lambda share, what: shares.append(share))
    assert shares == sorted(shares) and shares[-1] == 1 and "nano-neuron" in text
    files = {path: path.read_bytes() for path in storage.folder(tmp_path).iterdir()}
    records = [path for path in files if path.suffix == ".json"]
    assert len(records) == 5 and all(len(files[path]) < storage.SIZE_LIMIT for path in records)
    assert {path.stem for path in files} >= {
        "README",
        "distance-against-epsilon",
        "forgetting-against-similarity",
    }
    records[0].write_text(records[0].read_text()[:-20])
    before = {path: path.stat().st_mtime_ns for path in records}
    assert teacher_student.run(tmp_path, 1) == text
    assert [path for path in records if path.stat().st_mtime_ns != before[path]] == records[:1]
    assert {path: path.read_bytes() for path in storage.folder(tmp_path).iterdir()} == files
    assert json.loads(files[records[0]])["digest"] in records[0].name


def test_a_vector_figure_has_no_date_and_is_the_same_twice():
    entry = {
        "setting": dataclasses.asdict(Setting(seeds=(0,))),
        "values": Bench(1).setting(dataclasses.replace(QUICK, seeds=(0,))),
    }
    first, second = (figures.draw([entry], [], "svg") for _ in range(2))
    assert first == second and list(first) == ["neurons-one-new.svg"]
    assert b"<dc:date>" not in first["neurons-one-new.svg"]


@pytest.mark.parametrize("tier", ["smoke", "cpu", "paper"])
def test_the_protocol_asks_for_the_factors_one_at_a_time_around_the_papers_setting(tier):
    chosen, conditions = settings.plan(tier)
    names = [settings.label(dataclasses.asdict(setting)) for setting in chosen]
    assert names[0] == "the paper's setting" and len(set(names)) == len(names) == len(
        {s.digest for s in chosen}
    )
    assert conditions and len({c.digest for c in conditions}) == len(conditions)
    assert settings.plan(tier, seeds=(4, 5))[0][0].seeds == (4, 5)


def test_a_mistake_in_the_protocol_is_named():
    with pytest.raises(UserError, match="did you mean 'share'"):
        settings._make(Setting, {"shares": 0.1})
    with pytest.raises(UserError, match="share must be at least 0 and at most 1, got 2"):
        Setting(share=2)
    with pytest.raises(UserError, match="tier must be one of"):
        settings.plan("large")
