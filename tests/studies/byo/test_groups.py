"""Which own trainings the page sets in one table, and which it keeps apart."""

import torch
from training_cases import plain_network, vectors

from nanocl.integrations.loop import ForgettingMeter
from nanocl.records import trainings
from nanocl.studies.byo import figures, page

OLD = vectors(seed=1)
SHIFTED = [(inputs + 1, label) for inputs, label in OLD]


def recorded(folder, name, keep, lr=0.1, decay=0.0, **options):
    """The record of a training of one step."""
    network = plain_network()
    optimizer = torch.optim.SGD(network.parameters(), lr=lr, weight_decay=decay)
    meter = ForgettingMeter(keep, results=folder, name=name, **options)
    meter.before(network, optimizer)
    meter.step(network, optimizer)
    return trainings.load(meter.after(network, optimizer))


def test_results_on_kept_data_of_other_content_stand_in_separate_tables(tmp_path):
    for name, data in (("one", OLD), ("same", [*OLD]), ("shifted", SHIFTED)):
        recorded(tmp_path, name, {"a": data})
    records, _ = trainings.load_all(tmp_path)
    groups = page.groups(records)
    names = [{record["spec"]["name"] for record in group} for group in groups.values()]
    assert names == [{"one", "same"}, {"shifted"}]
    assert len({page.figure_name(group) for group in groups.values()}) == 2
    for title, (record, *_) in groups.items():
        assert f"a (data {record['spec']['data']['a']})" in title
    assert page.page(records).count("their results do not compare") == 2


def test_a_kept_function_and_a_record_without_fingerprints_are_called_unidentified(tmp_path):
    record = recorded(tmp_path, "one", {"a": OLD, "number": lambda model: 1.0})
    (title,) = page.groups([record])
    assert "number (unidentified)" in title and "a (unidentified)" not in title
    assert "Unidentified: number. Functions" in page.page([record])
    old = {**record, "spec": {**record["spec"]}}
    del old["spec"]["data"]
    assert "Unidentified: a, number." in page.page([old])
    assert "the same content of kept data" not in page.page([old])
    assert len(page.groups([record, old])) == 2


def cell(table, row, column):
    return table.rows[row][table.header.index(column)]


def test_a_row_has_loss_and_accuracy_on_new_data_at_the_start_and_at_the_end(tmp_path):
    record = recorded(tmp_path, "one", {"a": OLD}, new=SHIFTED, samples=12)
    part = [(one, label) for one, label in SHIFTED[:12]]
    same = recorded(tmp_path / "kept", "one", {"a": part})  # the same training
    expected = [point["keep"]["a"] for point in same["trainings"][0]["points"]]
    assert [point["new"] for point in record["trainings"][0]["points"]] == expected
    table = page.trained("title", [record])
    for metric in ("accuracy", "loss"):
        start, end = (f"{numbers[metric]:.4g}" for numbers in expected)
        assert cell(table, 0, f"new {metric}: start, end") == f"{start}, {end}"
    assert cell(table, 0, "steps") == "1"


def test_without_new_data_and_in_older_records_the_new_columns_are_empty(tmp_path):
    record = recorded(tmp_path, "one", {"a": OLD})
    for _ in range(2):
        table = page.trained("title", [record])
        assert cell(table, 0, "new accuracy: start, end") == "-"
        assert cell(table, 0, "new loss: start, end") == "-"
        record["trainings"][0].pop("new_data", None)
        for point in record["trainings"][0]["points"]:
            point.pop("new", None)


def test_an_older_record_without_numbers_of_new_data_still_loads(tmp_path):
    record = recorded(tmp_path, "one", {"a": OLD}, new=SHIFTED)
    del record["trainings"][0]["new_data"]
    for point in record["trainings"][0]["points"]:
        del point["new"]
    left = {key: record[key] for key in record if key not in ("schema", "digest", "checksum")}
    path = trainings.save(left, tmp_path)
    assert trainings.load(path)["trainings"] == record["trainings"]


def test_rows_of_one_name_differ_by_their_learning_rates(tmp_path):
    records = [recorded(tmp_path, "sgd", {"a": OLD}, lr=lr) for lr in (0.1, 1e-5)]
    table = page.trained("title", records)
    assert [cell(table, row, "lr") for row in (0, 1)] == ["0.1", "1e-05"]
    (training,) = records[0]["trainings"]
    training["optimizer"]["groups"] = [{"lr": 1e-3}, {"lr": 1e-5}, {"lr": 1e-3}, {}]
    assert page.rates(training) == "0.001, 1e-05"


def test_different_new_data_of_a_task_are_told(tmp_path):
    same = [recorded(tmp_path, name, {"a": OLD}, new=SHIFTED) for name in ("one", "two")]
    assert "do not compare." not in " ".join(page.trained("title", same).below)
    other = recorded(tmp_path, "three", {"a": OLD}, new=SHIFTED, samples=3)
    assert "new columns do not compare." in page.trained("title", [*same, other]).below[-1]


def test_lines_of_one_name_in_a_figure_differ_by_their_learning_rates(tmp_path):
    records = [recorded(tmp_path, "sgd", {"a": OLD}, lr=lr) for lr in (0.1, 1e-5)]
    legend = figures._figure(records).axes[0].get_legend()
    found = [text.get_text().partition(",")[0] for text in legend.get_texts()]
    assert found == ["sgd (lr 0.1", "sgd (lr 1e-05"]


def test_rows_and_lines_of_one_name_differ_by_whatever_setting_they_differ_in(tmp_path):
    records = [recorded(tmp_path, "sgd", {"a": OLD}, decay=decay) for decay in (0.0, 0.5)]
    records += [recorded(tmp_path, "other", {"a": OLD}, decay=0.25)]
    seed = records[0]["spec"]["seed"]
    table = page.trained("title", records)
    assert [cell(table, row, "run") for row in (0, 1, 2)] == [
        f"sgd (seed {seed}, weight_decay 0)",
        f"sgd (seed {seed}, weight_decay 0.5)",
        f"other (seed {seed})",
    ]
    legend = figures._figure(records).axes[0].get_legend()
    found = [text.get_text().rpartition(", ")[2] for text in legend.get_texts()]
    assert found == ["weight_decay 0)", "weight_decay 0.5)", f"seed {seed})"]
    assert "repeat" not in " ".join(table.below)


def test_rows_of_one_name_differ_by_when_and_on_how_many_samples_was_measured(tmp_path):
    plans = ({}, {"every": 1}, {"samples": 5})
    records = [recorded(tmp_path, "sgd", {"a": OLD}, **plan) for plan in plans]
    table = page.trained("title", records)
    _, often, few = (cell(table, row, "run") for row in range(3))
    assert "every 1," in often and few.endswith("samples 5)")


def test_rows_with_equal_settings_are_numbered_and_the_page_says_what_is_not_recorded(tmp_path):
    records = [recorded(tmp_path, "sgd", {"a": OLD}) for _ in range(2)]
    table = page.trained("title", records)
    first, second = (cell(table, row, "run") for row in (0, 1))
    assert second == first.replace(")", ", repeat 1)")
    assert "such as the batch size" in " ".join(table.below)
