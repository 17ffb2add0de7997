"""The benchmark of optimizers in benchmarks/perf: what it counts, and its committed pages."""

import itertools
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from nanocl.training import assembly
from nanocl.training.context import Context

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def perf(monkeypatch):
    """The modules of the benchmark, imported as when it runs as a program."""
    names = ("shapes", "rivals", "timing", "drawing", "bars", "paths", "lengths", "penalties")
    names = (*names, "suite")
    monkeypatch.syspath_prepend(ROOT / "benchmarks" / "perf")
    yield {name: __import__(name) for name in names}
    for name in names:
        sys.modules.pop(name)


def tiny():
    params = [nn.Parameter(torch.arange(4096.0).sin().view(64, 64)), nn.Parameter(torch.ones(64))]
    for param in params:
        param.grad = torch.ones_like(param)
    return params


def test_a_row_counts_the_state_of_the_optimizer(perf):
    rivals = {rival.name: rival for rival in perf["rivals"].listed()}
    bulk, rest = tiny()
    base = rivals[perf["rivals"].BASE].make([bulk], [rest])
    rival = rivals["NanoAdam 10 %"]
    measured = perf["timing"].row(
        "tiny",
        rival.name,
        [bulk, rest],
        base,
        lambda: rival.make([bulk], [rest]),
        selects=True,
        budget=0.0,
        device="cpu",
    )
    made = rival.make([bulk], [rest])
    assert measured.state_bytes == made.state_bytes() / (64 * 65)
    assert (
        measured.ms > 0
        and measured.base_ms > 0
        and measured.amortised == measured.ratio + measured.selection_steps / 100
    )


def test_a_ratio_is_the_median_of_those_of_the_rounds(perf, monkeypatch):
    seconds = iter([1.0, 2.0, 2.0, 1.0, 4.0, 8.0] + [1.0, 2.0, 4.0, 2.0] * 2)
    monkeypatch.setattr(perf["timing"], "seconds", lambda step, device: next(seconds))
    times = perf["timing"].alternating(None, None, 0.0, "cpu")
    assert times == (2.0, 2.0, 2.0)  # whose quotient is 1


def test_repeated_steps_are_timed_when_the_caches_are_full(perf, monkeypatch):
    order = []
    monkeypatch.setattr(perf["timing"], "seconds", lambda step, device: step())

    def late(name):
        order.append(name)
        return 1.0 if order[-3:] == [name] * 3 else 9.0

    assert perf["timing"].repeated(lambda: late("a"), lambda: late("b"), 0.0, "cpu") == (
        1.0,
        1.0,
        1.0,
    )
    assert "".join(order) == 3 * (8 * "a" + 8 * "b")


def test_architectures_have_the_sizes_of_their_papers(perf):
    millions = {
        name: sum(weight.numel for weight in make()) / 1e6
        for name, make in perf["shapes"].SETS.items()
    }
    assert millions == pytest.approx(
        {
            "10k": 0.01024,  # whole rows of 1024
            "90k": 0.09216,
            "478k": 0.48128,
            "1M": 1,
            "5M": 5,
            "20M": 20,
            "100M": 100,
            "resnet-18": 11.69,
            "vit-b-16": 86.57,
            "bert-base": 109.48,
        },
        rel=0.005,
    )


def test_norms_and_head_are_apart_from_the_bulk(perf):
    bulk, rest = perf["shapes"].parameters("resnet-18", "cpu")
    assert len(rest) == 2 * 20 + 2 and all(param.ndim > 1 for param in bulk)
    assert all(param.grad.shape == param.shape for param in bulk + rest)


@pytest.mark.parametrize(
    "record",
    sorted((ROOT / "results" / "perf").glob("optimizers-*.json")),
    ids=lambda path: path.stem,
)
def test_the_page_is_that_of_the_record(perf, record):
    kept = json.loads(record.read_text())
    rows = [perf["timing"].Row(**row) for row in kept["rows"]]
    page = perf["drawing"].markdown(rows, kept["machine"], kept["left_out"])
    assert page == record.with_suffix(".md").read_text()


def test_the_figure_is_drawn_from_rows(perf, tmp_path):
    row = perf["timing"].Row("20M", "NanoAdam 1 %", 1.0, 10.0, 0.1, 0.08, 5.0, 1.0, 0.11, 0.12, 0.2)
    rows = [row, row._replace(optimizer="SGD fused", state_bytes=0.0), row._replace(shapes="1M")]
    machine = {"processor": "some", "threads": 2, "torch": "2"}
    perf["drawing"].figure(rows, perf["rivals"].listed(), machine, tmp_path / "figure.svg")
    drawn = (tmp_path / "figure.svg").read_text()
    assert drawn.startswith("<?xml") and len(drawn) > 10_000


def test_the_page_of_the_gpu_tests_is_that_of_their_record(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks" / "perf")
    import gpu_tests

    record = ROOT / "results" / "perf" / "tests-gpu.json"
    page = gpu_tests._page(json.loads(record.read_text()))
    assert page == record.with_suffix(".md").read_text()
    sys.modules.pop("gpu_tests")


@pytest.mark.parametrize(
    "record", sorted((ROOT / "results" / "perf").glob("suite-*.json")), ids=lambda path: path.stem
)
def test_the_page_of_whole_runs_is_that_of_its_record(perf, record):
    measured = perf["suite"].Measured(**json.loads(record.read_text()))
    assert perf["suite"].page(measured) == record.with_suffix(".md").read_text()


def test_each_bar_is_of_a_figure_that_the_suite_measures(perf):
    bars, suite = perf["bars"], perf["suite"]
    record = json.loads((ROOT / "results" / "perf" / "suite-cpu.json").read_text())
    penalty = {name: {"rest": 1.2} for name in perf["penalties"].PENALTIES}
    record["penalties"] = {name: penalty for name in suite.PENALISED}
    record["start"][bars.REPORT] = [2.6, 1.5]
    values = {name: (value, reached) for name, value, _, reached in bars.rows(record)}
    assert "not measured" not in {value for value, _ in values.values()}
    assert values["report of the records, s"] == ("2.60", "no")
    assert values["si without its arithmetic / adamw, digits"] == ("1.20", "yes")
    assert values["ewc without its arithmetic / adamw, digits"] == ("1.20", "no")
    del record["start"][bars.REPORT]
    assert ["report of the records, s", "not measured", "2.50", "-"] in bars.rows(record)


def test_every_path_takes_the_same_steps_and_the_ratio_is_to_the_bare_loop(perf, monkeypatch):
    suite, steps = perf["suite"], []
    paths = {name: lambda *given, run=run: noted(run(*given)) for name, run in suite.PATHS.items()}

    def noted(spent):
        steps.append(spent.steps)
        return spent

    monkeypatch.setattr(suite, "PATHS", paths)
    spec = perf["lengths"].spec_of("split-digits", "adamw", {"training": {"epochs": "1"}})
    rows = suite.compared(spec, Context(), repeats=1)
    assert len(set(steps)) == 1 and steps[0] > 20
    assert rows[suite.BASE][3:] == [1.0, 1.0]
    for name, (step, evaluation, drift, *ratios) in rows.items():
        assert min(step, evaluation, *ratios) > 0 and (drift > 0) == (name == "nanocl")


def test_the_bare_loop_learns_what_nanocl_learns(perf, monkeypatch):
    """Otherwise its time would be that of another task."""
    paths, accuracies = perf["paths"], []
    whole = paths._accuracy
    monkeypatch.setattr(
        paths, "_accuracy", lambda *given: (accuracies.append(whole(*given)), accuracies[-1])[1]
    )
    paths.bare(perf["lengths"].spec_of("split-digits", "adamw", {}), Context())
    # six rounds of tests on 5 experiences; the second round follows the first training
    assert len(accuracies) == 30 and accuracies[5] > 0.9


def test_the_costs_of_an_experience_are_the_parts_of_the_run(perf):
    spent = perf["paths"].Spent(2.0, 1.0, 0.5, steps=7, checkpoint=0.5)
    costs = perf["lengths"]._per_experience(spent, whole_row=0.3, count=10, peak=1.0)
    assert costs == {
        "training": 200.0,
        "evaluation, seen": 100.0,
        "evaluation, all": 330.0,  # eleven rows: the untrained model is tested, too
        "drift": 50.0,
        "checkpoint": 50.0,
        "share of seen": 0.25,
        "peak MiB": 1.0,
    }


def test_the_costs_are_those_of_a_run_that_tests_what_it_has_trained(perf, monkeypatch):
    lengths, rows = perf["lengths"], []
    step = perf["paths"].Run._save
    monkeypatch.setattr(
        perf["paths"].Run,
        "_save",
        lambda run, outcome: (rows.append(outcome.evaluation[-1]), step(run, outcome)),
    )
    costs = lengths.costs(lengths.permuted("digits", "adamw", 3), Context())
    assert [sum(cell is not None for cell in row) for row in rows] == [1, 2, 3]
    assert min(costs.values()) > 0


def test_a_checkpoint_that_cannot_be_written_costs_no_less(perf, tmp_path):
    spec = perf["lengths"].permuted("digits", "adamw", 1)
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(RuntimeError, match="cannot be written"):
        perf["paths"].Run(spec, Context(), checkpoint=blocker / "checkpoint").train()


def test_a_step_of_replay_is_compared_early_and_late_with_one_of_adamw(perf, monkeypatch):
    lengths, order = perf["lengths"], []
    monkeypatch.setattr(lengths, "EARLY", 2)
    monkeypatch.setattr(lengths, "LATE", 4)

    def trained(learner, experience, context):
        number = experience.current_experience + 1
        order.append((number, type(learner.strategies[0]).__name__))
        return 2.0 * number if order[-1][1] == "ER" else 1.0

    monkeypatch.setattr(lengths, "_trained", trained)
    steps = lengths.steps("digits", "er", Context(), repeats=1)
    assert order == [(number, name) for number in range(1, 7) for name in ("ER", "AdamW")]
    # experiences 2 to 4 and 4 to 6
    assert steps == {"experience 2": 6.0, "experience 4": 10.0, "growth": round(10 / 6, 4)}


@pytest.mark.slow
def test_the_memory_of_a_run_is_that_of_a_process_of_its_own(perf):
    lengths = perf["lengths"]
    ours = torch.ones(1 << 28)  # 1 GiB in this process
    costs = lengths.alone(lengths.permuted("digits", "adamw", 2), Context())
    assert costs["peak MiB"] < ours.nbytes / 2**20 + 400 and costs["training"] > 0


@pytest.mark.parametrize(
    ("code", "failures", "ends_with"), [(0, [], 0), (1, [], 1), (0, ["er seed 0 failed"], 1)]
)
def test_the_runs_on_a_gpu_end_with_1_if_one_failed(
    monkeypatch, tmp_path, code, failures, ends_with
):
    monkeypatch.syspath_prepend(ROOT / "benchmarks" / "perf")
    import gpu_runs

    found = {"exit code": code, "seconds": 1.0, "failures": failures, "matrices": {}}
    monkeypatch.setattr(gpu_runs, "called", lambda *arguments: {**found, "accuracies": {}})
    monkeypatch.setattr(gpu_runs, "page", lambda ways, stream: "")
    out = tmp_path / "perf"
    monkeypatch.setattr(sys, "argv", ["gpu_runs.py", "--ways", "cpu", "--out", str(out)])
    assert gpu_runs.main() == ends_with
    monkeypatch.setattr(sys, "argv", ["gpu_runs.py", "--ways", "cuda", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as refusal:
        gpu_runs.main()
    assert refusal.value.code == 2
    sys.modules.pop("gpu_runs")


def test_the_cost_of_a_penalty_is_its_arithmetic_and_the_rest(perf, monkeypatch):
    penalties, ticks = perf["penalties"], itertools.count()
    monkeypatch.setattr(penalties, "clock", lambda device: next(ticks))  # each interval takes 1
    settings = {"training": {"epochs": "1"}}
    costs = penalties.ratios("split-digits", settings, Context(), repeats=1)
    spec = perf["lengths"].spec_of("split-digits", "adamw", settings)
    _, scenario = assembly.build(spec, Context())
    sizes = [len(experience.dataset) for experience in scenario.train_stream]
    steps = sum(-(-size // spec.training.batch_size) for size in sizes[1:])
    for name, loops in (("ewc+adamw", 1), ("si+adamw", 3)):
        assert costs[name]["loops"] == loops * steps / 4  # adamw takes 1 in each of 4 experiences
        assert costs[name]["importances"] == costs[name]["additions"] == 1
        # between the intervals, without the additions, which are measured apart
        assert costs[name]["rest"] == costs[name]["loops"] + 2 - 1
    assert perf["penalties"].Rows.run.__name__ == "run"


def test_an_addition_of_gradients_is_measured_for_each_step(perf, monkeypatch):
    monkeypatch.setattr(torch, "zeros_like", torch.ones_like)
    model = nn.Linear(2, 1)
    model(torch.ones(1, 2)).sum().backward()
    learner = SimpleNamespace(model=model, clock=SimpleNamespace(train_exp_iterations=3))
    assert perf["penalties"]._additions(learner, "cpu") >= 0
    assert torch.equal(model.weight.grad, torch.full((1, 2), 4.0))
