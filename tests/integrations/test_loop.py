"""The meter in a hand-written loop: measures what plain formulas give and disturbs nothing."""

import pytest
import torch
from torch.nn import functional
from training_cases import copied, plain_kl, plain_l2, plain_network, vectors

from nanocl.integrations import facts
from nanocl.integrations.loop import ForgettingMeter
from nanocl.integrations.predictions import Reader
from nanocl.records import trainings
from nanocl.records.trainings import load
from nanocl.studies.byo.matrix import matrix_of

OLD, NEW = vectors(seed=1), vectors(seed=2)


def batches(data, size=6):
    for first in range(0, len(data), size):
        part = data[first : first + size]
        yield torch.stack([x for x, _ in part]), torch.tensor([y for _, y in part])


def train(model, optimizer, data, meter=None, steps=4, begin=True):
    if meter and begin:
        meter.before(model, optimizer)
    for number, (inputs, targets) in enumerate([*batches(data)] * 9):
        if number == steps:
            break
        optimizer.zero_grad()
        functional.cross_entropy(model(inputs), targets).backward()
        optimizer.step()
        if meter:
            meter.step(model, optimizer)
    return model


def logits(model, data):
    model.eval()
    with torch.no_grad():
        return model(torch.stack([x for x, _ in data]))


def right(model, data):
    answers = logits(model, data).argmax(1).tolist()
    return sum(a == y for a, (_, y) in zip(answers, data, strict=True)) / len(data)


def adam(model, lr=0.05):
    return torch.optim.AdamW(model.parameters(), lr=lr)


def test_the_record_holds_what_plain_formulas_give(tmp_path):
    model = plain_network()
    start, first, loss = copied(model), logits(model, NEW), None
    before = right(model, OLD)
    meter = ForgettingMeter({"old": OLD}, new=NEW, every=2, results=tmp_path, name="one")
    model.train()
    optimizer = adam(model)
    train(model, optimizer, NEW, meter)
    record = load(meter.after(model, optimizer))
    points = record["trainings"][0]["points"]
    assert [point["step"] for point in points] == [0, 2, 4]
    targets = torch.tensor([y for _, y in OLD])
    loss = functional.cross_entropy(logits(model, OLD), targets).item()
    assert points[0]["keep"]["old"]["accuracy"] == before and points[0]["kl"] == 0
    assert points[-1]["keep"]["old"] == {
        "loss": pytest.approx(loss, rel=1e-6),
        "accuracy": right(model, OLD),
    }
    assert points[-1]["kl"] == pytest.approx(plain_kl(first, logits(model, NEW)), rel=1e-5)
    drift = record["trainings"][0]["drift"]
    assert drift["start"]["all"]["l2"] == pytest.approx(plain_l2(start, copied(model)), rel=1e-5)
    assert len(drift["deciles"]) == 10 and "0.weight" in drift["layers"]
    assert set(drift["start"]) == {"backbone", "head", "all"}
    cost = record["trainings"][0]["cost"]
    count = sum(p.numel() for p in model.parameters())
    # two moments of 4 bytes an entry, and a counter of 4 bytes a tensor
    assert cost["optimizer_state_bytes"] == 8 * count + 4 * 4 and cost["steps"] == 4
    assert record["status"] == "ok" and record["spec"]["optimizer"]["name"] == "AdamW"
    assert record["spec"]["optimizer"]["groups"][0]["lr"] == 0.05


def test_measuring_changes_no_weight_of_the_training(tmp_path):
    weights = []
    for measures in (False, True):
        torch.manual_seed(5)
        model = plain_network().train()
        optimizer = adam(model)
        meter = ForgettingMeter({"old": OLD}, new=NEW, every=1, results=tmp_path)
        train(model, optimizer, NEW, meter if measures else None)
        weights.append(copied(model))
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_sequence_of_three_gives_the_matrix_that_is_computed_by_hand(tmp_path):
    tasks = {name: vectors(seed=seed) for name, seed in (("a", 1), ("b", 2), ("c", 3))}
    flipped = {**tasks, "b": [(x, 1 - y) for x, y in tasks["b"]]}
    meter = ForgettingMeter(flipped, tasks=[*flipped], results=tmp_path, name="three")
    model, rows = plain_network(), []
    for data in flipped.values():
        optimizer = adam(model, 0.1)
        train(model, optimizer, data, meter, steps=8)
        path = meter.after(model, optimizer)
        rows.append([right(model, other) for other in flipped.values()])
        model.train()
    found = matrix_of(load(path))
    assert [list(row) for row in found.rows] == rows
    forgotten = [max(rows[0][0], rows[1][0]) - rows[2][0], rows[1][1] - rows[2][1]]
    assert found.forgetting() == pytest.approx(sum(forgotten) / 2)
    assert found.average() == pytest.approx(sum(rows[2]) / 3)
    assert sum(forgotten) > 0
    assert [one["task"] for one in load(path)["trainings"]] == ["a", "b", "c"]
    previous = load(path)["trainings"][2]["drift"]
    assert previous["previous"]["all"]["l2"] != previous["start"]["all"]["l2"]


def test_a_resumed_training_has_the_record_of_a_whole_one(tmp_path):
    def begun():
        torch.manual_seed(5)
        model = plain_network()
        model[2].p = 0.0
        return model, adam(model), ForgettingMeter({"old": OLD}, new=NEW, every=2, results=tmp_path)

    model, optimizer, meter = begun()
    train(model, optimizer, NEW, meter)
    whole = load(meter.after(model, optimizer))
    model, optimizer, meter = begun()
    train(model, optimizer, NEW, meter, steps=2)
    torch.save([meter.state_dict(), model.state_dict(), optimizer.state_dict()], tmp_path / "x")
    model, optimizer, meter = begun()
    saved = torch.load(tmp_path / "x", weights_only=True)
    meter.load_state_dict(saved[0])
    model.load_state_dict(saved[1])
    optimizer.load_state_dict(saved[2])
    meter.before(model, optimizer, resumed_at=2)
    train(model, optimizer, NEW[12:], meter, steps=2, begin=False)
    resumed = load(meter.after(model, optimizer))
    assert resumed["trainings"][0]["resumed_at"] == [2]
    for part in ("points", "drift"):
        assert resumed["trainings"][0][part] == whole["trainings"][0][part]
    assert resumed["trainings"][0]["cost"]["steps"] == 4 and resumed["start"] == "known"
    with pytest.raises(ValueError, match="was measured with"):
        ForgettingMeter({"other": OLD}).load_state_dict(saved[0])


def test_a_second_training_of_an_equal_spec_does_not_replace_the_first(tmp_path):
    paths = []
    for data in (NEW, OLD):
        model = plain_network()
        optimizer = adam(model)
        meter = ForgettingMeter({"old": OLD}, results=tmp_path, name="same")
        train(model, optimizer, data, meter)
        paths.append(meter.after(model, optimizer))
    first, second = map(load, paths)
    assert paths[0] != paths[1] and "repeat" not in first["spec"]
    assert second["spec"] == {**first["spec"], "repeat": 1}
    assert first["trainings"][0]["points"] != second["trainings"][0]["points"]


def test_the_spec_names_the_kept_data_by_their_content(tmp_path):
    specs = []
    for kept, size in ((OLD, 8), ([*OLD[1:], OLD[0]], 8), (lambda model: 1.0, 8), (OLD, 3)):
        meter = ForgettingMeter({"old": kept}, results=tmp_path, name="same", reader=Reader(size))
        model = plain_network()
        meter.before(model, adam(model))
        specs.append(load(meter.after(model, adam(model)))["spec"])
    one, other, function, in_other_batches = (spec["data"] for spec in specs)
    assert len(one["old"]) == 16 and one != other and function == {}
    assert one == in_other_batches
    assert "repeat" not in specs[1]


def test_an_error_in_training_leaves_an_interrupted_record(tmp_path):
    model = plain_network()
    optimizer = adam(model)
    meter = ForgettingMeter({"old": OLD}, every=1, results=tmp_path)
    train(model, optimizer, NEW, meter, steps=2)
    (record,), problems = trainings.load_all(tmp_path)
    assert record["status"] == "interrupted" and not problems
    assert len(record["trainings"][0]["points"]) == 3


def test_a_training_that_ends_in_nan_has_diverged(tmp_path):
    model = plain_network()
    optimizer = torch.optim.SGD(model.parameters(), lr=float("inf"))
    meter = ForgettingMeter({"old": OLD}, results=tmp_path)
    train(model, optimizer, NEW, meter, steps=2)
    assert load(meter.after(model, optimizer))["status"] == "diverged"


def test_bfloat16_weights_drift_by_differences_in_float32(tmp_path):
    model = plain_network().to(torch.bfloat16)
    data = [(x.to(torch.bfloat16), y) for x, y in NEW]
    start, optimizer = copied(model), adam(model)
    meter = ForgettingMeter({"old": data}, new=data, results=tmp_path)
    train(model, optimizer, data, meter)
    record = load(meter.after(model, optimizer))
    moved = record["trainings"][0]["drift"]["start"]["all"]
    assert moved["l2"] == pytest.approx(plain_l2(start, copied(model)), rel=1e-6)
    assert 0 < moved["touched"] <= 1 and record["spec"]["precision"] == "bfloat16"


def test_a_callable_is_a_metric_and_a_step_before_the_start_is_refused(tmp_path):
    model = plain_network()
    kept = {"number": lambda model: 3, "two": lambda model: {"x": 1.0, "y": float("nan")}}
    meter = ForgettingMeter(kept, results=tmp_path)
    with pytest.raises(RuntimeError, match="call before first"):
        meter.step(model, adam(model))
    meter.before(model)
    meter.step(model, adam(model))
    point = load(meter.after(model, adam(model)))["trainings"][0]["points"][-1]
    assert point["keep"] == {"number": {"value": 3.0}, "two": {"x": 1.0, "y": None}}


def test_a_task_that_is_trained_again_has_a_row_of_its_own_at_the_end(tmp_path):
    tasks = {"a": OLD, "b": [(x, 1 - y) for x, y in OLD]}
    order = ["a", "b", "a"]
    meter = ForgettingMeter(tasks, tasks=order, results=tmp_path, name="again")
    model, rows = plain_network(), []
    for name in order:
        optimizer = adam(model, 0.1)
        train(model, optimizer, tasks[name], meter, steps=16)
        path = meter.after(model, optimizer)
        rows.append(tuple(right(model, other) for other in tasks.values()))
        model.train()
    found = matrix_of(load(path))
    assert found.rows == tuple(rows) and rows[0] != rows[1] != rows[2]
    assert found.labels() == ["after a", "after b", "after a (training 3)"]
    assert found.average() == pytest.approx(sum(rows[2]) / 2)
    assert found.forgetting() == pytest.approx(rows[1][1] - rows[2][1]) and rows[1][1] > rows[2][1]


def test_the_end_of_the_last_task_names_the_record_and_the_next_command_once(tmp_path, capsys):
    meter = ForgettingMeter({"a": OLD, "b": NEW}, tasks=["a", "b"], results=tmp_path / "my runs")
    model = plain_network()
    for _ in range(3):
        optimizer = adam(model)
        meter.before(model, optimizer)
        path = meter.after(model, optimizer)
    line = f"nanocl: wrote {path}; next: python -m nanocl.report --results '{tmp_path / 'my runs'}'"
    assert capsys.readouterr().err.splitlines() == [line]


def test_only_the_first_process_names_the_record(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(facts, "is_first_process", lambda: False)
    meter, model = ForgettingMeter({"a": OLD}, tasks=["x", "y"], results=tmp_path), plain_network()
    for _ in range(2):
        meter.before(model, adam(model))
        meter.after(model, adam(model))
    assert capsys.readouterr().err == ""
