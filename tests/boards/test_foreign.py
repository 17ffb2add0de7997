import json
import re

import pytest

from nanocl import report
from nanocl.boards import foreign
from nanocl.records import UserError
from nanocl.records.encoding import sealed

CSV = "90,,\n70,80,\n50,60,70\n"
PEFT = {
    "run_info": {
        "experiment_name": "supertuning/llama-3.2-3B-s9935-topk",
        "train_config": {"model_id": "meta-llama/Llama-3.2-3B"},
    },
    "train_info": {
        "accelerator_memory_max": 2**30,
        "train_time": 1800.5,
        "num_trainable_params": 9175040,
        "status": "success",
        "metrics": [
            {"step": 250, "valid accuracy": 0.34},
            {"step": 5000, "test accuracy": 0.3935, "forgetting": 0.0047},
        ],
    },
    "meta_info": {},
}


def peft(**info):
    """A result of PEFT with other values, as JSON; infinity is a number that is too large."""
    text = json.dumps({**PEFT, "train_info": {**PEFT["train_info"], **info}})
    return text.replace("Infinity", "1e999")


def take(tmp_path, content, name="sent.csv", **values):
    path = tmp_path / name
    path.write_text(content)
    return foreign.take(path, tmp_path / "results", **values)


def page(tmp_path):
    (text,) = foreign.pages([], tmp_path / "results").values()
    return text


def cells(text, name):
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {name} ")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_matrix_in_percent_has_the_metrics_of_its_definitions(tmp_path):
    _, words = take(tmp_path, CSV)
    assert words == "3 experiences, read as percent"
    # by hand: ACC 180/3; LA 240/3; F (40 + 20)/2; AIA (90 + 75 + 60)/3; BWT -F
    assert cells(page(tmp_path), "sent") == [
        *("sent", "3", "60.00", "80.00", "30.00", "75.00", "-30.00")
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("sent.json", "[[0.9, null, null], [0.7, 0.8, null], [0.5, 0.6, 0.7]]"),
        ("sent.json", '{"accuracy": [[0.9, 0, 0], [0.7, 0.8, 0], [0.5, 0.6, 0.7]]}'),
        ("sent.csv", "0.9,0,0\n0.7,0.8,0\n0.5,0.6,0.7\n"),
        ("sent.csv", "\ufeff0.9,0,0\r\n0.7,0.8,0\r\n0.5,0.6,0.7\r\n"),  # of a spreadsheet
    ],
)
def test_a_matrix_is_read_in_each_form(tmp_path, name, content):
    take(tmp_path, content, name)
    assert cells(page(tmp_path), "sent")[2:4] == ["60.00", "80.00"]


def test_losses_and_accuracies_have_tables_of_their_own(tmp_path):
    take(tmp_path, CSV, "one.csv")
    take(tmp_path, "2,3\n1,2\n", "two.csv", measure="loss")
    text = page(tmp_path)
    assert text.index("## Evaluation matrices of accuracies") < text.index("| one ")
    assert text.index("| one ") < text.index("## Evaluation matrices of losses")
    assert text.index("## Evaluation matrices of losses") < text.index("| two ")


def test_a_result_of_peft_keeps_cross_entropy_in_a_column_of_its_own(tmp_path):
    take(tmp_path, json.dumps(PEFT), "peft.json")
    text = page(tmp_path)
    assert cells(text, "peft")[3:6] == ["39.35", "0.00470", "9175040"]
    assert "cross-entropy forgetting" in text and " F |" not in text


def test_costs_that_were_not_measured_are_a_dash_on_the_page(tmp_path):
    take(tmp_path, peft(train_time=None, accelerator_memory_max=None), "peft.json")
    assert cells(page(tmp_path), "peft")[5:] == ["9175040", "-", "-"]


def test_a_measure_is_refused_for_a_result_that_has_its_own(tmp_path):
    with pytest.raises(UserError, match="--measure is for a matrix"):
        take(tmp_path, peft(), "peft.json", measure="loss")


def test_what_import_prints_has_no_control_characters(tmp_path, capsys):
    path = tmp_path / "peft.json"
    run = {**PEFT["run_info"], "experiment_name": "a\x1b[2J\nb"}
    path.write_text(json.dumps({**PEFT, "run_info": run}))
    (tmp_path / "results").mkdir()
    assert report.main(["import", str(path), "--results", str(tmp_path / "results")]) == 0
    assert r"a\x1b[2J\nb" in capsys.readouterr().out


def test_it_is_on_no_board_and_not_ranked(tmp_path, capsys):
    from making import a_result, a_spec

    from nanocl.records import store

    root = tmp_path / "results"
    for seed in range(2):
        store.save(a_result(a_spec("sgd", seed)), root)
    take(tmp_path, CSV, name="sent.csv")
    assert report.main(["--results", str(root)]) == 0
    assert "sent" not in (root / "LEADERBOARD.md").read_text() + capsys.readouterr().out
    assert "| sent " in (root / "FOREIGN.md").read_text()
    (root / "foreign" / "sent.json").unlink()
    assert report.main(["--check", "--results", str(root)]) == 1
    assert "FOREIGN.md is stale" in capsys.readouterr().err


@pytest.mark.parametrize(
    "change",
    [
        lambda entry: {**entry, "evaluation": [[0.6]]},  # with the checksum of before
        lambda entry: sealed({**entry, "evaluation": [[0.5, None]]}),
        lambda entry: sealed({**entry, "kind": "another"}),
        lambda entry: sealed({key: value for key, value in entry.items() if key != "measure"}),
        lambda entry: [entry],
    ],
)
def test_a_damaged_result_of_others_is_named_and_stops_no_other(tmp_path, capsys, change):
    stored, _ = take(tmp_path, CSV)
    take(tmp_path, CSV, name="whole.csv")
    stored.write_text(json.dumps(change(json.loads(stored.read_text()))))
    root = stored.parents[1]
    assert report.main(["--results", str(root)]) == 0
    assert re.search(r"skipped .*sent\.json: it was edited or damaged", capsys.readouterr().err)
    shown = (root / "FOREIGN.md").read_text()
    assert "| whole " in shown and "| sent " not in shown
    assert report.main(["--check", "--results", str(root)]) == 1


def test_another_result_of_the_same_name_is_refused(tmp_path):
    take(tmp_path, CSV)
    take(tmp_path, CSV)
    with pytest.raises(UserError, match="--name"):
        take(tmp_path, CSV.replace("50", "55"))
    take(tmp_path, CSV.replace("50", "55"), name="other.csv")


def test_a_name_cannot_leave_the_folder_or_break_the_table(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text(CSV)
    stored, _ = foreign.take(path, tmp_path / "results", "../../a | <b>b</b>")
    assert stored.parent == tmp_path / "results" / "foreign"
    assert "<b>" not in page(tmp_path) and r"\|" in page(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("m.csv", "task1,task2\n1,2\n", "line 1 has 'task1', which is no number"),
        ("m.csv", "1,2\n3\n", "as many columns as rows"),
        ("m.csv", "", "as many columns as rows"),
        ("m.csv", "1,2\n3,\n", "row 1 must have a number"),
        ("m.csv", "-1,2\n3,4\n", "fractions from 0 to 1, or percent"),
        ("m.csv", "nan,2\n3,4\n", "must be a number"),
        ("m.json", "{}", "a matrix is a list of rows"),
        ("m.json", "{", "not JSON"),
        ("m.json", '[[true, 1], ["x", 1]]', "must be a number"),
        ("m.json", '{"train_info": {}}', "neither a result of PEFT"),
        ("m.json", "[1, 2]", "neither a result"),
        ("m.csv", '"' + "1" * 200_000 + '"', "field larger"),
        ("m.json", peft(num_trainable_params=float("1e999")), "must be a number"),
        ("m.json", peft(train_time=-1), "costs must be at least 0"),
        ("m.json", peft(metrics=[{"test accuracy": -7}]), "test accuracy must be a fraction"),
    ],
)
def test_a_file_that_is_neither_is_one_line(tmp_path, name, content, words):
    with pytest.raises(UserError, match=words) as refusal:
        take(tmp_path, content, name)
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "results").exists()


def test_an_absent_file_is_one_line(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        foreign.take(tmp_path / "no.csv", tmp_path)
