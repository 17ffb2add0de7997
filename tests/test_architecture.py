"""Imports point one way, files stay small, and commands that train nothing load no torch."""

import ast
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import nanocl

PACKAGE = Path(nanocl.__file__).parent
REPOSITORY = Path(__file__).parents[1]
LINES = (  # a module imports from a lower line or from its own room
    {"__main__", "__init__"},  # the package's own names are loaded when they are first used
    {"run", "report", "memory", "tune"},
    {"api", "site"},
    {"testing", "studies", "footprint", "tuning", "measurement", "boards", "integrations"},
    {"loggers"},
    {"cli", "training", "reporting", "strategies", "engine"},
    {"protocols", "streams", "libraries"},
    {"data", "models", "plugins"},
    {"records", "optim"},
)
LINE_OF = {room: number for number, rooms in enumerate(LINES) for room in rooms}
AVALANCHE = {"training", "strategies", "streams", "testing"}
PUBLIC = ("__version__",)
CODE = sorted(
    path for path in PACKAGE.rglob("*.py") if path.parent.name not in ("benchmarks", "baselines")
)
ALL_CODE = [
    *CODE,
    *sorted((REPOSITORY / "tests").rglob("*.py")),
    *sorted((REPOSITORY / "benchmarks").rglob("*.py")),
]


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def module(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> set[str]:
    """Full names of everything a file imports, at any depth of its code."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def own_imports(path: Path) -> Iterator[str]:
    """Of the imports, those from another room of nanocl."""
    for name in sorted(imports(path)):
        if name.startswith("nanocl.") and name.split(".")[1] not in PUBLIC:
            yield name


def names_of(paths: list[Path]) -> list[str]:
    return [
        str(path.relative_to(REPOSITORY if path.is_relative_to(REPOSITORY) else PACKAGE))
        for path in paths
    ]


def test_every_room_stands_on_a_line():
    rooms = {room(path) for path in CODE}
    assert rooms == set(LINE_OF)


@pytest.mark.parametrize("path", CODE, ids=names_of(CODE))
def test_a_file_imports_only_from_lower_lines_or_its_own_room(path):
    here = room(path)
    for name in own_imports(path):
        there = name.split(".")[1]
        assert there in LINE_OF, f"{name} is in no known room"
        assert there == here or LINE_OF[there] > LINE_OF[here], f"{here} must not import {there}"


def test_no_modules_import_each_other_in_a_circle():
    modules = {module(path): path for path in CODE}
    graph: dict[str, set[str]] = {}
    for name, path in modules.items():
        needed = set()
        for imported in imports(path):
            parts = imported.split(".")
            longest = next(
                (
                    ".".join(parts[:n])
                    for n in range(len(parts), 0, -1)
                    if ".".join(parts[:n]) in modules
                ),
                name,
            )
            needed.add(longest)
        graph[name] = needed - {name, "nanocl"}
    TopologicalSorter(graph).prepare()  # raises CycleError with the modules in the circle


@pytest.mark.parametrize("path", CODE, ids=names_of(CODE))
def test_avalanche_is_imported_only_where_it_is_wrapped(path):
    if any(name.split(".")[0] == "avalanche" for name in imports(path)):
        assert room(path) in AVALANCHE


@pytest.mark.parametrize("path", ALL_CODE, ids=names_of(ALL_CODE))
def test_a_file_has_at_most_300_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300, "split it by noun"


@pytest.mark.parametrize(
    "command", ["nanocl", "nanocl.run", "nanocl.report", "nanocl.memory", "nanocl.protocols.suite"]
)
def test_commands_load_without_torch(command):
    heavy = {"torch", "avalanche", "torchvision", "ray", "tensorboard", "wandb", "mlflow"}
    code = f"import sys, {command}; print(sorted({heavy} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_every_package_and_every_protocol_is_in_the_wheel():
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    listed = set(settings["tool"]["setuptools"]["packages"])
    found = {
        ".".join(path.parent.relative_to(REPOSITORY).parts)
        for path in (REPOSITORY / "nanocl").rglob("__init__.py")
    }
    assert found | {"nanocl.benchmarks", "nanocl.baselines"} == listed
    for name in ("benchmarks", "baselines"):
        inside = {
            path.relative_to(REPOSITORY / name) for path in (REPOSITORY / name).rglob("*.toml")
        }
        here = PACKAGE / name if (PACKAGE / name).is_dir() else REPOSITORY / name
        assert inside
        assert inside == {path.relative_to(here) for path in here.rglob("*.toml")}


COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@pytest.mark.parametrize("path", CODE, ids=names_of(CODE))
def test_no_comprehension_is_inside_another(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for outer in ast.walk(tree):
        if isinstance(outer, COMPREHENSIONS):
            inner = [node for node in ast.walk(outer) if isinstance(node, COMPREHENSIONS)]
            assert inner == [outer], f"line {outer.lineno}: name the intermediate value"


def has_test(path: Path) -> bool:
    """Whether the folder of the module's room has a test file of the module's name."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    folder = REPOSITORY.joinpath("tests", *(part.strip("_") for part in parts[:-1]))
    return (folder / f"test_{parts[-1].strip('_')}.py").exists()


@pytest.mark.parametrize("room", sorted(set(LINE_OF) - {"run", "report", "memory", "__init__"}))
def test_every_module_has_a_test_file_of_its_name(room):
    public = [path for path in (PACKAGE / room).glob("[!_]*.py")]
    assert [path.stem for path in public if not has_test(path)] == []


def test_optimizers_and_integrations_load_without_the_packages_of_the_benchmark():
    blocked = ["avalanche", "torchvision", "pandas", "sklearn", "matplotlib", "wandb", "scipy"]
    code = f"""
import sys
import tempfile
sys.modules.update(dict.fromkeys({blocked}))
import torch
from nanocl.integrations.loop import ForgettingMeter
from nanocl.optim import NanoAdam, dense_groups
model = torch.nn.Linear(2, 2)
optimizer = NanoAdam(dense_groups(model), lr=0.1)
meter = ForgettingMeter({{"old": [(torch.ones(2), 1)]}}, results=sys.argv[1])
meter.before(model, optimizer)
meter.step(model, optimizer)
meter.after(model, optimizer)
"""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-c", code, folder], check=True)
        assert len([*Path(folder).rglob("*.json")]) == 1
