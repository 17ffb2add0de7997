"""Two machines of a Ray cluster, one of them lost: every run has the numbers it has here."""

import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from commands import command, started
from small_runs import numbers

from nanocl.records import store

pytestmark = pytest.mark.ray

WAITS = '''
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
        import os
        folder = Path(self.folder)
        experience = strategy.experience.current_experience
        with (folder / "log").open("a") as file:
            file.write(f"{strategy.seed} {experience} {os.getpid()}\\n")
        while experience == 2 and not (folder / "go").exists():
            time.sleep(0.05)
'''


@pytest.fixture(autouse=True)
def at_most_four_minutes():
    """Ray may wait for ever for a machine that does not come."""

    def end(number, frame):
        pytest.fail("the test took more than 4 minutes")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(240)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A cluster of two machines with a core each; its logs go into the test's folder."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    started = Cluster()
    for _ in range(2):
        started.add_node(num_cpus=1, num_gpus=0, object_store_memory=2**27)
    started.wait_for_nodes()
    yield started
    started.shutdown()


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


def test_a_run_of_a_lost_machine_goes_on_from_its_checkpoint_with_the_same_numbers(
    cluster, tmp_path
):
    engine = ("--engine", "ray", "--address", cluster.address)
    process = started(*grid(tmp_path, "far"), *engine, cwd=tmp_path)
    part = tmp_path / "far" / ".part"
    wait_for(lambda: {(0, 2), (1, 2)} <= set(trained(tmp_path)))
    wait_for(lambda: len(list(part.glob("*.pt"))) == 2)  # here, while the runs train
    workers = {int(line.split()[2]) for line in (tmp_path / "log").read_text().splitlines()}
    assert len(workers) == 2
    (tmp_path / "waits.py").unlink()  # the machines have its text
    cluster.remove_node(cluster.list_all_nodes()[-1], allow_graceful=False)
    wait_for(lambda: sum(map(is_alive, workers)) == 1)
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
