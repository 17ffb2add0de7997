"""Every study is found by its folder and has the functions of the interface."""

import inspect
from pathlib import Path

import pytest

import nanocl.studies
from nanocl import studies
from nanocl.plugins.catalogue import Catalogue
from nanocl.records import UserError
from nanocl.studies.study import FigureSet, Study, TrainedStudy

FOLDERS = sorted(path.parent for path in Path(nanocl.studies.__file__).parent.glob("*/__init__.py"))
READS = ("claims", "pages", "figures")
TRAINS = ("run", "listing", "damaged")


def parameters(function):
    values = inspect.signature(function).parameters.values()
    return [(value.name, value.kind) for value in values if value.name != "self"]


def test_every_folder_is_a_study():
    names = [study.__name__.split(".")[-2] for study in studies.every()]
    assert names == [folder.name for folder in FOLDERS] and len(names) > 3


@pytest.mark.parametrize("study", studies.every(), ids=lambda study: study.__name__)
def test_a_study_has_the_functions_of_the_interface(study):
    for name in READS:
        assert parameters(getattr(study, name)) == parameters(getattr(Study, name))
    for name in TRAINS if hasattr(study, "run") else ():
        assert parameters(getattr(study, name)) == parameters(getattr(TrainedStudy, name))


@pytest.mark.parametrize("study", studies.every(), ids=lambda study: study.__name__)
def test_a_study_without_records_has_no_page_and_a_chapter(study, tmp_path):
    assert study.pages([], tmp_path) == {}
    for chapter in study.claims([], tmp_path):
        assert chapter.title and not chapter.opens_page
    assert all(figures.names == [] for figures in study.figures([], tmp_path))


def test_only_a_protocol_with_a_study_has_one():
    found = studies.find("teacher-student", Catalogue())
    assert found is not None and hasattr(found, "run")
    assert studies.find("split-digits", Catalogue()) is None
    with pytest.raises(UserError, match="teacher-student"):
        studies.find("teacher-studnt", Catalogue())


def test_figures_are_drawn_for_a_changed_page_and_where_one_is_missing(tmp_path, monkeypatch):
    class Made:
        @staticmethod
        def figures(results, results_root):
            return [FigureSet(results_root / "made", ["one.png"], lambda: {"one.png": b"1"})]

    monkeypatch.setattr(studies, "every", lambda: [Made])
    path = tmp_path / "made" / "one.png"
    assert studies.figures([], tmp_path, ()) == {path: b"1"}
    path.parent.mkdir()
    path.write_bytes(b"1")
    assert studies.figures([], tmp_path, ()) == {}
    assert studies.figures([], tmp_path, {tmp_path / "made" / "README.md"}) == {path: b"1"}
