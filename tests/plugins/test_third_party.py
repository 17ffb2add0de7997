"""A strategy in a package of its own is found by its entry point, conforms, and composes."""

import importlib
import sys
import tomllib
from pathlib import Path

import pytest

from nanocl.plugins import catalogue
from nanocl.plugins.catalogue import Catalogue, UnknownPlugin
from nanocl.records import UserError
from nanocl.strategies.sgd import SGD
from nanocl.testing import check_strategy, run, small_learner, small_stream

PACKAGE = Path(__file__).parents[1] / "third_party"


def install(folder: Path) -> None:
    """Write what `pip install tests/third_party` writes: the module and its metadata."""
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    (folder / "l2_anchor.py").write_text((PACKAGE / "l2_anchor.py").read_text())
    name, version = project["name"], project["version"]
    metadata = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = [
        f"[{group}]\n" + "".join(f"{point} = {target}\n" for point, target in points.items())
        for group, points in project["entry-points"].items()
    ]
    (metadata / "entry_points.txt").write_text("\n".join(lines))


@pytest.fixture
def installed(tmp_path, monkeypatch):
    install(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield tmp_path
    sys.modules.pop("l2_anchor", None)


def test_without_the_package_its_strategy_is_unknown():
    with pytest.raises(UnknownPlugin, match="l2-anchor"):
        Catalogue().plugin("strategies", "l2-anchor")


def test_the_registry_finds_the_strategy_without_importing_it(installed):
    found = Catalogue().plugin("strategies", "l2-anchor")
    assert found.summary.startswith("Add `strength / 2") and found.options == {
        "strength": (("float",), 1.0)
    }
    assert "l2_anchor" not in sys.modules


def test_the_installed_strategy_keeps_the_contract(installed):
    check_strategy(catalogue.load(Catalogue().plugin("strategies", "l2-anchor")))


def test_the_installed_strategy_composes_with_ours_and_holds_the_weights(installed):
    cls = catalogue.load(Catalogue().plugin("strategies", "l2-anchor"))
    moved = []
    for strength in (0.0, 5.0):
        scenario = small_stream()
        outcome = run(small_learner(scenario, [cls(strength=strength), SGD(lr=0.1)]), scenario)
        moved.append(outcome.drift[2].previous["backbone"]["l2"])
    assert moved[1] < moved[0]


def test_the_file_alone_works_as_a_local_plugin():
    found = Catalogue([PACKAGE / "l2_anchor.py"]).plugin("strategies", "l2-anchor")
    assert catalogue.load(found).__name__ == "L2Anchor" and found.file.hash


def test_one_name_from_two_places_is_an_error(installed):
    with pytest.raises(UserError, match="two strategies are called 'l2-anchor'"):
        Catalogue([PACKAGE / "l2_anchor.py"]).plugins("strategies")
