"""`python -m nanocl.run --engine ray` on two machines: numbers are those of this one, always."""

import os
import shutil
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from commands import command, started
from pictures import pictures, write_zip
from ray_clusters import at_most, cluster_of
from small_runs import numbers

import nanocl
from nanocl.records import store

pytestmark = pytest.mark.ray

WAITS = '''
import os
import time
from pathlib import Path
from nanocl.strategies import Strategy


class Waits(Strategy):
    """Notes each experience that begins and waits in the third until it may go on.

    Source: a test.
    """

    def __init__(self, *, folder: str = ""):
        super().__init__()
        self.folder = folder

    def before_training_exp(self, strategy, **kwargs):
        folder = Path(self.folder)
        experience = strategy.experience.current_experience
        with (folder / "log").open("a") as file:
            file.write(f"{strategy.seed} {experience} {os.getpid()}\\n")
        while experience == 2 and not (folder / "go").exists():
            time.sleep(0.05)
'''


@pytest.fixture
def cluster(tmp_path):
    with at_most(), cluster_of(tmp_path, {"num_cpus": 1}, {"num_cpus": 1}) as started:
        yield started


def wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.1)


def records(root):
    results, problems = store.load_all(root)
    assert not problems
    return {result.spec.digest: numbers(result) for result in results}


def grid(tmp_path, results):
    plugin = tmp_path / "waits.py"
    plugin.write_text(WAITS)
    return (
        *("--tier", "smoke", "--strategy", "waits+adamw", "--seeds", "2", "--device", "cpu"),
        *("--plugin", str(plugin), "--set", f"waits.folder={tmp_path}", "--results", results),
    )


def is_alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def trained(tmp_path):
    """How often each experience of each seed began."""
    log = tmp_path / "log"
    lines = log.read_text().splitlines() if log.exists() else []
    return Counter(tuple(map(int, line.split()[:2])) for line in lines)


def on(cluster):
    return ("--engine", "ray", "--address", cluster.address)


def begun(tmp_path):
    """Wait until two runs are in their third experience; their processes."""
    wait_for(lambda: {(0, 2), (1, 2)} <= set(trained(tmp_path)))
    return {int(line.split()[2]) for line in (tmp_path / "log").read_text().splitlines()}


def test_a_run_of_a_lost_machine_goes_on_from_its_checkpoint_with_the_same_numbers(
    cluster, tmp_path
):
    process = started(*grid(tmp_path, "far"), *on(cluster), cwd=tmp_path)
    workers = begun(tmp_path)
    part = tmp_path / "far" / ".part"
    wait_for(lambda: len(list(part.glob("*.pt"))) == 2)  # here, while the runs train
    (tmp_path / "waits.py").unlink()  # the machines have its text
    cluster.remove_node(cluster.list_all_nodes()[-1], allow_graceful=False)
    wait_for(lambda: sum(map(is_alive, workers)) == len(workers) - 1 == 1)
    (tmp_path / "go").touch()
    _, error = process.communicate(timeout=200)
    assert process.returncode == 0, error
    assert "lost; it goes on from its last checkpoint" in error
    counts = trained(tmp_path)
    assert sorted(counts[seed, 2] for seed in range(2)) == [1, 2]  # the lost one began it again
    assert all(counts[seed, i] == 1 for seed in range(2) for i in (0, 1, 3, 4))
    assert command(*grid(tmp_path, "here"), cwd=tmp_path).returncode == 0
    assert len(records(tmp_path / "far")) == 2
    assert records(tmp_path / "far") == records(tmp_path / "here")
    assert not list(part.glob("*.pt"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_runs_and_the_next_call_resumes_them(cluster, tmp_path, number):
    process = started(*grid(tmp_path, "far"), *on(cluster), cwd=tmp_path)
    workers = begun(tmp_path)
    wait_for(lambda: len(list((tmp_path / "far" / ".part").glob("*.pt"))) == 2)
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 128 + number and "Traceback" not in error
    wait_for(lambda: not any(map(is_alive, workers)), seconds=30)
    (tmp_path / "go").touch()
    again = command(*grid(tmp_path, "far"), cwd=tmp_path)  # on this machine
    assert again.returncode == 0 and len(records(tmp_path / "far")) == 2
    assert all(trained(tmp_path)[seed, 0] == 1 for seed in range(2))


def test_data_that_no_machine_has_is_placed_there_once(cluster, tmp_path):
    write_zip(tmp_path / "data" / "insects.zip", pictures(train=8, test=4))
    arguments = ("--stream", "split-folder", "--tier", "smoke", "--strategy", "sgd", "--model")
    arguments += ("mlp", "--set", "stream.data=insects", "--set", "stream.experiences=2")
    arguments += ("--seeds", "3", "--device", "cpu")
    environment = {"NANOCL_DATA_ROOT": str(tmp_path / "data")}  # the machines know of no data
    far = command(*arguments, "--results", "far", *on(cluster), cwd=tmp_path, **environment)
    assert far.returncode == 0, far.stderr
    here = command(*arguments, "--results", "here", cwd=tmp_path, **environment)
    assert here.returncode == 0
    assert len(records(tmp_path / "far")) == 3
    assert records(tmp_path / "far") == records(tmp_path / "here")
    placed = tmp_path / "cache" / "nanocl" / "placed"
    assert len(list(placed.glob("*/insects.zip"))) == 1


def test_a_machine_with_another_nanocl_is_named_before_anything_runs(
    cluster, tmp_path, monkeypatch
):
    other = tmp_path / "other"
    shutil.copytree(Path(nanocl.__file__).parent, other / "nanocl")
    with (other / "nanocl" / "run.py").open("a") as file:
        file.write("# another line\n")
    monkeypatch.setenv("PYTHONPATH", str(other))
    cluster.add_node(num_cpus=1, num_gpus=0, object_store_memory=2**27)
    monkeypatch.undo()
    shown = command("--tier", "smoke", "--strategy", "sgd", *on(cluster), cwd=tmp_path)
    (line,) = (line for line in shown.stderr.splitlines() if "Ray cluster has" in line)
    assert shown.returncode == 2 and "nanocl 0" in line and "instead of" in line
    assert records(tmp_path / "results") == {}


@pytest.mark.parametrize("address", ["127.0.0.1:9", "no-such-host.invalid:6379", "auto"])
def test_no_cluster_is_one_line_that_says_how_to_start_one(tmp_path, address):
    where = ("--engine", "ray", "--address", address, "--results", str(tmp_path))
    shown = command("--tier", "smoke", "--strategy", "sgd", *where, cwd=tmp_path)
    last = shown.stderr.splitlines()[-1]
    assert shown.returncode == 2 and "Traceback" not in shown.stderr
    assert f"no Ray cluster can be used at --address {address}" in last and "ray start" in last
