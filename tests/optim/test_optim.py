"""How the package offers its optimizers, and how few files an optimizer takes."""

import ast
import copy
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import nanocl
from nanocl import optim

PACKAGE = Path(nanocl.__file__).parent
PUBLIC = {
    "CLASSP",
    "CautiousAdamW",
    "LIFT",
    "LowRankAdamW",
    "MicroAdam",
    "MoFO",
    "NanoAdam",
    "PaFi",
    "StepInBackward",
    "dense_groups",
}


def python(code):
    """What a new process prints."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def identifiers(path):
    """Names that code of a file defines, reads or imports; strings and comments are not code."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
        for field in ("id", "attr", "name", "asname", "arg"):
            value = getattr(node, field, None)
            names |= {value} if isinstance(value, str) else set()
    return names


def test_an_optimizer_with_a_compiled_path_takes_five_files():
    files = set()
    for path in PACKAGE.rglob("*.py"):
        if "mofo" in " ".join(identifiers(path)).lower():
            files.add(str(path.relative_to(PACKAGE)))
    assert files == {
        "optim/mofo.py",
        "optim/_plain/mofo.py",
        "optim/_compiled/mofo.py",
        "optim/_reference/mofo.py",
        "strategies/mofo.py",
    }


def test_every_public_class_is_listed_and_importable_by_star_without_triton():
    assert set(optim.__all__) == set(dir(optim)) == PUBLIC
    code = "from nanocl.optim import *; print(*sorted(n for n in dir() if n[0] != '_'))"
    names, is_loaded = python(f"{code}; import sys; print('triton' in sys.modules)").splitlines()
    assert set(names.split()) == PUBLIC and is_loaded == "False"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'NoSuchOptimizer'"):
        optim.NoSuchOptimizer  # noqa: B018


def test_importing_the_package_loads_no_torch():
    assert python("import sys, nanocl.optim; print('torch' in sys.modules)") == "False"


def test_an_optimizer_works_without_numba():
    code = """if True:
        import sys
        sys.modules["numba"] = None
        import torch
        from nanocl.optim import NanoAdam
        param = torch.nn.Parameter(torch.ones(10))
        param.grad = torch.ones(10)
        NanoAdam([param], lr=0.5, density=1.0).step()
        print(param[0].item())"""
    assert float(python(code)) == pytest.approx(0.5)


@pytest.mark.parametrize("name", sorted(PUBLIC - {"StepInBackward", "dense_groups"}))
def test_every_optimizer_has_a_version_and_pickles_by_its_name(name):
    kind = getattr(optim, name)
    assert kind.__dict__["version"] == 1
    assert pickle.loads(pickle.dumps(kind)) is kind
    assert type(copy.deepcopy(kind([nn.Parameter(torch.ones(3))]))) is kind
