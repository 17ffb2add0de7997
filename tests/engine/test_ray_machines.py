"""The size of a cluster, and where there is none."""

import pytest
from ray_clusters import at_most, cluster_of

from nanocl.records import UserError

pytestmark = pytest.mark.ray


@pytest.mark.parametrize(
    ("resources", "threads", "runs_per_gpu", "slots"),
    [
        ({"CPU": 8.0}, 1, 0, 8),
        ({"CPU": 8.0}, 3, 0, 2),
        ({"CPU": 8.0, "GPU": 2.0}, 1, 2, 4),
        ({"CPU": 2.0, "GPU": 2.0}, 1, 2, 2),
        ({}, 1, 0, 0),
    ],
)
def test_a_machine_takes_as_many_runs_as_its_cores_and_gpus(
    resources, threads, runs_per_gpu, slots
):
    from nanocl.engine.ray_machines import slots_of

    assert slots_of({"Resources": resources}, threads, runs_per_gpu) == slots


def test_a_cluster_without_gpus_is_used_by_its_cpus(tmp_path):
    from nanocl.engine import ray_machines

    with (
        at_most(),
        cluster_of(tmp_path, {"num_cpus": 1}) as cluster,
        ray_machines.connected(cluster.address),
    ):
        ray_machines.check()
        assert len(ray_machines.machines()) == 1
        assert ray_machines.device("auto") == ray_machines.device("cpu") == "cpu"
        with pytest.raises(UserError, match="no machine of the Ray cluster has a GPU"):
            ray_machines.device("cuda")


def test_nothing_that_listens_is_said_at_once():
    from nanocl.engine import ray_machines

    refused = pytest.raises(UserError, match="no Ray cluster can be used at --address")
    with at_most(20), refused, ray_machines.connected("127.0.0.1:9"):
        pass
