"""The optimizers as a distribution of their own, `nanocl-optim`."""

import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import nanocl

ROOT = Path(__file__).resolve().parents[2]
TRAINED = """
import sys
from importlib.machinery import PathFinder

class Alone:
    def find_spec(self, name, path=None, target=None):
        return PathFinder.find_spec(name, [{folder!r}]) if name == "nanocl" else None

sys.meta_path.insert(0, Alone())
sys.modules |= dict.fromkeys({absent})  # imports of them fail
import torch
from nanocl.optim import MicroAdam, NanoAdam, dense_groups

for make in (NanoAdam, MicroAdam):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(8, 64), torch.nn.ReLU(), torch.nn.Linear(64, 1))
    inputs = torch.randn(256, 8)
    targets = inputs.sum(1, keepdim=True)
    optimizer = make(dense_groups(model, quiet=True), lr=1e-2, fused=False)  # compiles nothing
    losses = []
    for _ in range(100):
        loss = (model(inputs) - targets).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0], losses
print(*(name for name in sys.modules if name.startswith("nanocl") and "optim" not in name))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT / "packaging" / "nanocl-optim",
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


def test_the_wheel_needs_torch_numpy_and_numba_and_has_nanocls_version(wheel):
    with zipfile.ZipFile(wheel) as opened:
        named = next(name for name in opened.namelist() if name.endswith("METADATA"))
        about = Parser().parsestr(opened.read(named).decode())
    needed = about.get_all("Requires-Dist")
    whole = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert sorted(needed) == ["numba>=0.61", "numpy>=2", "torch>=2.6"]
    assert set(needed) < set(whole)
    assert about["Version"] == nanocl.__version__


def test_the_wheel_holds_every_file_of_the_optimizers_and_no_other_of_nanocl(wheel):
    with zipfile.ZipFile(wheel) as opened:
        held = {name for name in opened.namelist() if name.endswith(".py")}
        same = {name: opened.read(name) for name in held}
    here = {path.relative_to(ROOT).as_posix() for path in (ROOT / "nanocl/optim").rglob("*.py")}
    assert held == here
    assert all((ROOT / name).read_bytes() == text for name, text in same.items())


def test_the_optimizers_train_where_nothing_else_of_nanocl_is_installed(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(tmp_path)
    absent = {"avalanche", "torchvision", "pandas", "scipy", "sklearn", "matplotlib", "rich"}
    code = TRAINED.format(absent=absent, folder=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["nanocl"]
