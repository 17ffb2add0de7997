"""`--engine`: what is said where a cluster cannot be used; without it nothing of Ray is loaded."""

import sys

import pytest

from nanocl import engine, run
from nanocl.records import extras


def test_without_the_package_ray_one_line_says_how_to_install_it(monkeypatch, capsys, tmp_path):
    for name in [*sys.modules]:
        if name.startswith("nanocl.engine.ray"):
            monkeypatch.delitem(sys.modules, name)
            monkeypatch.delattr(engine, name.rpartition(".")[2])
    monkeypatch.setitem(sys.modules, "ray", None)  # importing it fails
    arguments = ("--tier", "smoke", "--strategy", "sgd", "--results", str(tmp_path))
    assert run.main([*arguments, "--engine", "ray"]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"nanocl: --engine ray needs the package ray; {extras.command('ray')}")


def test_a_study_takes_no_cluster(capsys):
    assert run.main(["--stream", "teacher-student", "--engine", "ray"]) == 2
    assert "takes no --engine ray" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["dask", ""])
def test_an_unknown_engine_is_refused_with_the_known_ones(name, capsys):
    with pytest.raises(SystemExit):
        run.main(["--engine", name])
    assert "local" in capsys.readouterr().err
