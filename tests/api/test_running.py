"""`nanocl.run` makes the records of the command, and says what went wrong as exceptions."""

import inspect
import json
import os
import re
import sys
from pathlib import Path

import pytest

import nanocl
from nanocl import run as command
from nanocl.api import running
from nanocl.measurement import runs as measurement
from nanocl.records.roots import Folders

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "python.md"
NOTEBOOK = REPOSITORY / "examples" / "first_steps.ipynb"
SMALL = {"tier": "smoke", "seeds": 1, "progress": False}
BROKEN = '''from nanocl.strategies import Strategy
class Broken(Strategy):
    """Fails when training begins."""
    def before_training_exp(self, learner, **more):
        raise ZeroDivisionError("by design")
'''


@pytest.fixture
def asked(monkeypatch):
    """The calls that would be measured."""
    calls = []

    def remember(grid, call, catalogue):
        calls.append((grid, call))
        return grid, []

    monkeypatch.setattr(measurement, "complete", remember)
    return calls


def test_it_asks_for_the_runs_of_the_command(tmp_path, asked):
    options = ["--set", "adamw.lr=2e-3", "--set", "training.epochs=2", "--evaluate", "all"]
    names = ["--strategy", "adamw,ewc+sgd", "--scenario", "class", "--track-every", "3"]
    where = ["--results", str(tmp_path), "--workers", "2", "--device", "cpu", "--log", "csv,wandb"]
    command.main(["--tier", "smoke", "--seeds", "0,4", *names, *options, *where])
    nanocl.run(
        strategies=["adamw", "ewc+sgd"],
        scenario="class",
        set={"adamw.lr": 2e-3, "training.epochs": 2},
        evaluate="all",
        track_every=3,
        tier="smoke",
        seeds=[0, 4],
        results=tmp_path,
        workers=2,
        device="cpu",
        log=["csv", "wandb"],
    )
    (of_command, call_of_command), (of_python, call) = asked
    assert of_python == of_command and len(of_python) == 4
    same = ("measuring", "results_root", "machines", "device", "probe", "force", "quiet", "log")
    for name in same:
        assert getattr(call, name) == getattr(call_of_command, name)


def test_a_run_that_fails_is_raised_after_the_others(tmp_path, capfd):
    (tmp_path / "broken.py").write_text(BROKEN)
    with pytest.raises(nanocl.RunsFailed, match=r"broken seed 0 failed: .*by design") as raised:
        nanocl.run(
            strategies=[tmp_path / "broken.py", "sgd"],
            results=tmp_path / "results",
            tier="smoke",
            seeds=1,
        )
    results = raised.value.results
    assert [run.spec.strategy_name for run in results] == ["sgd"]
    (failure,) = raised.value.failures
    assert "ZeroDivisionError" in failure.details and failure.details in raised.value.__notes__[0]
    assert nanocl.load_results(tmp_path / "results") == results
    assert re.search(r"\[\d/2\] split-digits sgd seed 0: accuracy", capfd.readouterr().err)
    again = nanocl.run(strategies="sgd", results=tmp_path / "results", **SMALL)
    assert again == results  # the same seconds of training too: nothing was trained
    more = nanocl.run(strategies="sgd", results=tmp_path / "results", evaluate="all", **SMALL)
    assert None not in more[0].evaluation[0] and capfd.readouterr() == ("", "")


def executed(cells, monkeypatch, folder):
    """Run pieces of code one after the other, as a notebook does."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    names = {"__name__": "__main__"}
    for cell in cells:
        magic, _, rest = cell.partition("\n")
        if magic.startswith("%%writefile "):
            Path(magic.split()[1]).write_text(rest)
        else:
            exec(compile(cell, "<cell>", "exec"), names)
    return names


@pytest.fixture
def no_new_modules(tmp_path):
    """Forget what the code of a page has imported from its own folder."""
    yield
    for name, module in [*sys.modules.items()]:
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


def test_the_snippets_of_the_page_run_in_order(tmp_path, monkeypatch, no_new_modules):
    cells = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    assert len(cells) > 5
    names = executed(cells, monkeypatch, tmp_path)
    assert len(names["results"]) > 3 and (tmp_path / "results" / "runs").is_dir()
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert cells[0] in readme, "the README shows the first snippet"


def code_of_the_notebook():
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def test_the_notebook_was_run_from_its_first_cell_to_its_last():
    code = code_of_the_notebook()
    outputs = [one for cell in code for one in cell["outputs"]]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert not [one for one in outputs if one["output_type"] == "error"]
    assert any("image/png" in one.get("data", {}) for one in outputs)


@pytest.mark.slow
def test_the_notebook_runs(tmp_path, monkeypatch, no_new_modules):
    cells = ["".join(cell["source"]) for cell in code_of_the_notebook()]
    names = executed(cells, monkeypatch, tmp_path)
    assert len(names["results"]) == 8 and len(names["mine"]) == 2
    stored = code_of_the_notebook()[0]["outputs"][-1]["data"]["text/plain"]
    assert repr(names["results"]) == "".join(stored)


def test_the_function_and_the_module_of_the_command_are_one_object():
    assert nanocl.run is command and command.main and not hasattr(nanocl, "no_such_name")
    assert inspect.signature(nanocl.run) == inspect.signature(running.run)
    assert nanocl.run.__call__.__doc__ == running.run.__doc__
    assert {*nanocl.__all__} <= {*dir(nanocl)}


def test_plugins_may_be_files_of_every_kind(tmp_path, asked):
    for name, code in {
        "own.py": BROKEN,
        "own_net.py": "from torch import nn\nclass Net(nn.Sequential):\n    'Mine.'\n",
    }.items():
        (tmp_path / name).write_text(code)
    nanocl.run(
        strategies=[(str(tmp_path / "own.py"), "sgd"), "own"],
        model=tmp_path / "own_net.py",
        **SMALL,
    )
    ((grid, call),) = asked
    assert [run.strategy_name for run in grid] == ["own+sgd", "own"]
    assert grid[0].model.name == "own-net" and len(call.plugin_files) == 2


def test_the_environment_of_the_call_counts_not_that_of_the_first_one(tmp_path, asked, monkeypatch):
    monkeypatch.setenv("NANOCL_DATA_ROOT", str(tmp_path))
    nanocl.run(strategies="sgd", **SMALL)
    nanocl.run(strategies="sgd", data_root="~/data", workers=2, device="cpu", **SMALL)
    nanocl.run(strategies="sgd", data_root=["~/data", tmp_path], **SMALL)
    monkeypatch.setenv("NANOCL_DATA_ROOT", os.pathsep.join(["/x", "/y"]))
    nanocl.run(strategies="sgd", **SMALL)
    home = Path(os.path.expanduser("~/data"))
    several = [Folders((home, tmp_path)), Folders((Path("/x"), Path("/y")))]
    assert [call.data_root for _, call in asked] == [tmp_path, home, *several]
    assert (asked[1][1].machines.workers, asked[1][1].device) == (2, "cpu")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"strategies": "adamv"}, "unknown strategy 'adamv'; did you mean 'adam'"),
        ({"set": {"adamw.l": 1.0}, "strategies": "adamw"}, "adamw has no option 'l'"),
        ({"set": {"adam.lr": 1.0}, "strategies": "adamw"}, "^set adam"),
        ({"evaluate": "some"}, "^evaluate must"),
        ({"device": "tpu"}, "device takes auto, cpu, cuda or a GPU"),
        ({"stream": "teacher-student"}, "has a study, which only the command runs"),
        ({"log": "tensorbord"}, "^log takes csv, tensorboard, wandb, mlflow or several of them"),
        ({"log": 3}, "^log takes csv"),
        ({"data_root": 3}, "^data_root takes a folder or a list of folders, got 3"),
        ({"data_root": ["a", 3]}, "^data_root takes a folder or a list of folders, got"),
        ({"model": 3}, "a model is given as a name, a class"),
    ],
)
def test_a_mistake_is_one_sentence_before_anything_is_trained(wrong, said, asked):
    with pytest.raises(nanocl.UserError, match=said):
        nanocl.run(**wrong)
    assert not asked
