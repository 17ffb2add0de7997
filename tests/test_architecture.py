"""Imports point one way, files stay small, and what should start quickly loads no torch."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import nanocl

ROOT = Path(nanocl.__file__).parent
LAYERS = [
    {"run", "report", "tune", "memory", "progress", "commandline"},
    {
        "engine",
        "store",
        "tables",
        "statistics",
        "leaderboard",
        "citation",
        "site",
        "suite",
        "formats",
        "summaries",
        "reproduction",
        "protocol",
        "schema",
        "notes",
        "footprint",
        "studies",
        "claims",
        "sweeps",
        "backbones",
    },
    {"experiment", "testing"},
    {"checkpoint", "pretraining"},
    {"training"},
    {"observers"},
    {"measure", "drift", "heads", "probe"},
    {"normalisation"},
    {"streams", "models", "strategies"},
    {"optim", "data", "batches"},
    {"registry", "metrics", "columns", "declaration", "colours"},
    {"records", "spec"},
]
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
AVALANCHE = {
    "training",
    "observers",
    "probe",
    "experiment",
    "testing",
    "heads",
    "streams",
    "strategies",
}
FILES = sorted(
    path for path in ROOT.rglob("*.py") if path.parent.name not in ("benchmarks", "baselines")
)


def room(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[0]


def imported(path: Path) -> set[str]:
    """Full names of every module a file imports, at any depth of its code."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_imports_only_from_lower_lines_or_its_own_folder(path):
    here = room(path)
    if here == "__init__":
        return
    assert here in LEVEL, f"{path.name} belongs to no line of the house"
    for name in imported(path):
        if not name.startswith("nanocl."):
            continue
        there = name.split(".")[1]
        if there == here or there not in LEVEL:
            continue
        among = LAYERS[0] | LAYERS[1] | LAYERS[6] | LAYERS[10] | LAYERS[-1]
        same_line = LEVEL[there] == LEVEL[here] and {here, there} <= among
        assert LEVEL[there] > LEVEL[here] or same_line, f"{here} must not import {there}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_avalanche_stays_behind_its_wall(path):
    if any(name.split(".")[0] == "avalanche" for name in imported(path)):
        assert room(path) in AVALANCHE


def test_the_optimizers_need_nothing_of_ours():
    for path in (ROOT / "optim").glob("*.py"):
        assert all(
            name.startswith("nanocl.optim") for name in imported(path) if name.startswith("nanocl")
        ), path


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_ends_before_it_is_too_long(path):
    assert len(path.read_text().splitlines()) <= 280, "a second noun is hiding in it"


@pytest.mark.parametrize(
    "module", ["nanocl", "nanocl.run", "nanocl.report", "nanocl.memory", "nanocl.protocols.suite"]
)
def test_doors_open_without_torch(module):
    code = f"import sys, {module}; print(sorted({{'torch', 'avalanche', 'torchvision'}} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_every_package_and_every_recipe_travels_inside_the_wheel():
    source = Path(__file__).parent.parent
    listed = set(
        tomllib.loads((source / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    )
    found = {
        ".".join(path.parent.relative_to(source).parts)
        for path in (source / "nanocl").rglob("__init__.py")
    }
    assert found | {"nanocl.benchmarks", "nanocl.baselines"} == listed
    for name in ("benchmarks", "baselines"):
        inside = {path.relative_to(source / name) for path in (source / name).rglob("*.toml")}
        here = ROOT / name if (ROOT / name).is_dir() else source / name
        assert inside and inside == {path.relative_to(here) for path in here.rglob("*.toml")}
