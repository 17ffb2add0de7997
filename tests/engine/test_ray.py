"""Every run of a cluster comes back once, with the share of a machine that it asked for."""

import dataclasses
from collections import Counter

import pytest
from making import a_result, a_spec
from pretended import run_on_cluster
from ray_clusters import at_most, cluster_of

from nanocl.records import Notice, RunFailure, RunResult, SavedFile

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def connected(tmp_path_factory):
    """Two machines, the second with two GPUs as far as Ray knows."""
    machines = ({"num_cpus": 2}, {"num_cpus": 8, "num_gpus": 2})
    with at_most(), cluster_of(tmp_path_factory.mktemp("cluster"), *machines) as cluster:
        from nanocl.engine import ray_machines

        with ray_machines.connected(cluster.address):
            yield


def run_all(*names, threads=1, runs_per_gpu=0, shared=None, contents=None, workers=8):
    from nanocl.engine.ray import Cluster

    specs = [with_threads(a_spec(name, seed), threads) for seed, name in enumerate(names)]
    messages = []
    cluster = Cluster(
        contents_of=lambda spec: contents or {},
        keep=messages.append,
        shared=shared or {},
        runs_per_gpu=runs_per_gpu,
    )
    running = cluster.run_all(run_on_cluster, specs, workers=workers, on_progress=messages.append)
    ended = sorted(running, key=lambda outcome: outcome.spec.seed)
    assert [outcome.spec for outcome in ended] == specs
    return ended, messages


def with_threads(spec, threads):
    return dataclasses.replace(spec, training=dataclasses.replace(spec.training, threads=threads))


def told(messages):
    return [message.text for message in messages if isinstance(message, Notice)]


def test_every_run_comes_back_with_its_own_result(connected):
    results, _ = run_all(*["sgd"] * 4)
    assert results == [a_result(a_spec("sgd", seed)) for seed in range(4)]


def test_what_goes_wrong_in_a_run_is_a_failure_of_that_run_alone(connected):
    (raised, exited, fine), _ = run_all("raises", "exits", "sgd")
    assert isinstance(raised, RunFailure) and raised.error == "ValueError: no such thing"
    assert isinstance(exited, RunFailure) and "sys.exit(3)" in exited.error
    assert isinstance(fine, RunResult)


def test_a_process_that_dies_is_tried_again_and_at_last_a_failure(connected, tmp_path):
    from nanocl.engine.ray import TRIES

    (dead, again), messages = run_all("dies", f"dies-once@{tmp_path / 'mark'}")
    assert isinstance(dead, RunFailure) and f"lost {TRIES} times" in dead.error
    assert isinstance(again, RunResult)
    assert sum("it starts again" in text for text in told(messages)) == TRIES


def test_two_runs_share_each_gpu_and_know_how_many_share_their_machine(connected):
    _, messages = run_all(*["tells-gpu"] * 4, runs_per_gpu=2)
    texts = [text.split() for text in told(messages)]
    assert Counter(gpu for _, gpu, _ in texts) == {"0": 2, "1": 2}
    assert {workers for _, _, workers in texts} == {"4"}


def test_runs_without_gpus_know_how_many_of_their_threads_a_machine_takes(connected):
    _, messages = run_all(*["tells-gpu"] * 5, threads=2)
    assert {text.split()[2] for text in told(messages)} <= {"1", "4"}


def test_files_travel_both_ways(connected):
    """The run sends back what it got: the file it goes on from, and the shared one."""
    big = bytes(2**20)
    _, messages = run_all("echoes", shared={"data": b"shared"}, contents={".part/a.pt": big})
    sent = [message for message in messages if isinstance(message, SavedFile)]
    assert [(file.path, file.content) for file in sent] == [
        (".part/a.pt", big),
        ("data", b"shared"),
    ]


def test_a_cluster_without_room_for_a_run_says_what_it_waits_for(connected):
    from nanocl.engine.ray import Cluster

    messages = []
    cluster = Cluster(lambda spec: {}, messages.append)
    for threads in (8, 99):
        cluster._say_if_none_fits([with_threads(a_spec(), threads)], messages.append)
    assert told(messages) == ["waiting for a machine that has 99 cores; none has now"]
