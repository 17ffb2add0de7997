"""Records of own trainings are verified when they are read, and never mixed with runs."""

import json

import pytest
import torch
from training_cases import plain_network, vectors

from nanocl import report
from nanocl.integrations.loop import ForgettingMeter
from nanocl.records import damage, store, trainings
from nanocl.records.encoding import sealed, to_text
from nanocl.studies.byo import page


@pytest.fixture
def path(tmp_path):
    network = plain_network()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    meter = ForgettingMeter({"old": vectors()}, new=vectors(), results=tmp_path, name="mine")
    meter.before(network, optimizer)
    meter.step(network, optimizer)
    return meter.after(network, optimizer)


def test_an_edited_record_is_refused_and_named(path, tmp_path):
    record = json.loads(path.read_text())
    record["trainings"][0]["cost"]["steps"] = 7
    path.write_text(json.dumps(record))
    records, problems = trainings.load_all(tmp_path)
    assert not records and "edited or damaged" in problems[0].reason
    assert [problem.path for problem in damage.find(tmp_path)] == [path]
    del record["status"]
    path.write_text(json.dumps(record))
    with pytest.raises(ValueError, match="does not fit the schema"):
        trainings.load(path)


def without_points(record):
    record["trainings"][0]["points"] = []


def without_a_kept_task(record):
    del record["trainings"][0]["points"][-1]["keep"]["old"]


@pytest.mark.parametrize("change", [without_points, without_a_kept_task])
def test_a_sealed_record_that_contradicts_itself_is_named_and_stops_no_report(
    path, tmp_path, change, capsys
):
    record = json.loads(path.read_text())
    change(record)
    del record["checksum"]
    path.write_text(to_text(sealed(record)))
    assert report.main(["--results", str(tmp_path)]) == 0
    assert f"skipped {path}" in capsys.readouterr().err
    assert trainings.load_all(tmp_path)[0] == []


def test_a_record_under_another_name_is_refused(path):
    moved = path.rename(path.with_name("other.json"))
    with pytest.raises(ValueError, match="its spec belongs to the file mine-"):
        trainings.load(moved)


def test_report_tables_and_plots_it_and_no_board_has_it(path, tmp_path, capsys):
    assert store.load_all(tmp_path) == ([], [])
    assert report.main(["--results", str(tmp_path)]) == 0
    page = (tmp_path / "studies" / "byo" / "README.md").read_text()
    assert "mine (seed " in page and "not ranked" in page
    (figure,) = path.parent.glob("curves-*.png")
    assert f"({figure.name})" in page and figure.stat().st_size > 1000
    assert "mine (seed " in capsys.readouterr().out
    assert not (tmp_path / "LEADERBOARD.md").exists()
    assert report.main(["--results", str(tmp_path), "--check"]) == 0


def test_the_name_of_a_kept_task_adds_no_picture_to_the_page(tmp_path):
    network = plain_network()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    meter = ForgettingMeter({"x](http://elsewhere/a.png)": vectors()}, results=tmp_path)
    meter.before(network, optimizer)
    meter.after(network, optimizer)
    text = page.page(trainings.load_all(tmp_path)[0])
    pictures = [line for line in text.splitlines() if line.startswith("![")]
    assert pictures and not any("elsewhere" in line for line in pictures)
