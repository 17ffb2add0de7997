"""A probe is read as it was written, or not at all."""

import copy
import json

import pytest
from made_probes import a_layer
from making import a_spec

from nanocl import report
from nanocl.records import probes

LOOKS = [{"experience": 0, "step": 0, "layers": {"a": {**a_layer(), "ratio": 0.5}}}]
CHANGES = [{"experience": 0, "steps": 3, "layers": {"a": [0.1] * 10}}]


@pytest.fixture
def path(tmp_path):
    return probes.write(a_spec("ewc+adam", 2), LOOKS, CHANGES, probes.folder(tmp_path))


def test_a_probe_comes_back(path, tmp_path):
    spec = a_spec("ewc+adam", 2)
    assert path == probes.path_of(spec, probes.folder(tmp_path))
    (probe,) = probes.read_all(tmp_path)
    assert probe["digest"] == spec.digest
    assert probe["looks"] == LOOKS and probe["changes"] == CHANGES


@pytest.mark.parametrize(
    ("old", "new"),
    [("0.5", "0.6"), ('"seed":2', '"seed":3'), ("nanocl-probe/2", "nanocl-probe/9"), ("}", "")],
)
def test_an_edited_probe_is_not_read(path, tmp_path, old, new):
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    assert probes.read(path) is None and not list(probes.read_all(tmp_path))


def test_a_probe_without_a_look_is_not_read(tmp_path):
    path = probes.write(a_spec(), [], [], probes.folder(tmp_path))
    assert json.loads(path.read_text())["looks"] == [] and probes.read(path) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda looks: looks[0].pop("experience"), "experience"),
        (lambda looks: looks[0]["layers"]["a"].update(gradient=[0.1] * 9), "less than 10"),
        (lambda looks: looks[0]["layers"]["a"].update(ratio=-1.0), "minimum"),
        (lambda looks: looks[0]["layers"]["a"].update(ratio="0.5"), "not of type"),
        (lambda looks: looks[0]["layers"]["a"].update(low=1e308), "to 1e+100"),
        (lambda looks: looks[0].update(layers={}), "looks/0/layers"),
        (lambda looks: looks.append({**looks[0], "layers": {"b": a_layer()}}), "same layers"),
    ],
)
def test_a_probe_of_another_form_is_named_and_left_out(tmp_path, capsys, change, words):
    looks = copy.deepcopy(LOOKS)
    change(looks)
    path = probes.write(a_spec(), looks, CHANGES, probes.folder(tmp_path))
    assert report.main(["--results", str(tmp_path)]) == 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "skipped" in line]
    assert str(path) in line and words in line
    assert probes.read(path) is None
