"""Runs on the machines of a Ray cluster; needs the extra `nanocl[ray]`.

Ray decides which machine executes a run, by the cores and the share of a GPU that it takes. This
process alone writes files: results come back to it, and so do checkpoints while runs train. A run
whose machine is lost goes on elsewhere from the checkpoint that came last.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import ray
from ray import exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from nanocl.engine import ray_machines
from nanocl.engine.outcomes import RunOne, outcome_of
from nanocl.engine.pools import Death, OnProgress, Task, run_in
from nanocl.engine.versions import difference, versions
from nanocl.records import Notice, RunFailure, RunResult, RunSpec, SavedFile, UserError
from nanocl.records.reservations import Reservations

TRIES = 4  # as in Ray, a run is repeated 3 times when its machine or process is lost
POLL = 0.5  # seconds between looks at the messages of runs
LOST = (
    exceptions.WorkerCrashedError,
    exceptions.NodeDiedError,
    exceptions.OutOfMemoryError,
    exceptions.ObjectLostError,
    exceptions.LocalRayletDiedError,
)
Contents = Mapping[str, bytes]


@dataclass(frozen=True)
class Cluster:
    """How runs use a cluster that this process is connected to.

    Attributes:
        contents_of: The files that a run goes on from, such as its checkpoint.
        keep: Called with each file that a run sends.
        shared: Files for all runs, which Ray moves to a machine once, when a run there asks.
        runs_per_gpu: Runs that share a GPU; 0 for runs on CPUs.
    """

    contents_of: Callable[[RunSpec], Contents]
    keep: Callable[[SavedFile], None]
    shared: Contents = field(default_factory=dict)
    runs_per_gpu: int = 0

    def run_all(
        self,
        run_one: RunOne,
        specs: Sequence[RunSpec],
        *,
        workers: int,
        on_progress: OnProgress = lambda progress: None,
        reservations: Reservations | None = None,
    ) -> Generator[RunResult | RunFailure]:
        """Execute runs on the cluster, at most `workers` at a time; as `local.run_all`.

        `run_one` is called as `run_one(spec, tell=..., contents=..., fetch=..., workers=...)`.

        Raises:
            UserError: The cluster is lost, or a machine has other versions.
        """
        try:
            ray_machines.check()
            self._say_if_none_fits(specs, on_progress)
            yield from run_in(
                _Tasks(run_one, self),
                [(spec,) for spec in specs],
                workers=workers,
                on_progress=on_progress,
                reservations=reservations,
            )
        except exceptions.RayError as error:
            raise UserError(
                f"the Ray cluster was lost ({ray_machines.one_line(error)}); call again to go on"
            ) from error

    def _say_if_none_fits(self, specs: Sequence[RunSpec], on_progress: OnProgress) -> None:
        """Machines may join later, but a cluster that is too small for a run waits for ever."""
        for spec in specs[:1]:
            threads = spec.training.threads
            machines = ray_machines.machines()
            if not any(ray_machines.slots_of(one, threads, self.runs_per_gpu) for one in machines):
                wanted = f"{threads} cores" + (" and a GPU" if self.runs_per_gpu else "")
                on_progress(
                    Notice(spec.digest, f"waiting for a machine that has {wanted}; none has now")
                )


@dataclass
class _Tasks:
    """The runs that the cluster executes or will execute, and the messages of the first ones."""

    run_one: RunOne
    cluster: Cluster
    busy: dict[Any, tuple[RunSpec, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self.mailbox = ray.remote(_Mailbox).options(num_cpus=0, scheduling_strategy=here).remote()
        self.shared = ray.put(dict(self.cluster.shared))
        self.execute = ray.remote(_execute)

    def start(self, task: Task, attempt: int) -> None:
        """Give a run to the cluster, with what it goes on from; each seed is trained alone."""
        (spec,) = task
        share = 1 / self.cluster.runs_per_gpu if self.cluster.runs_per_gpu else 0
        task = self.execute.options(
            num_cpus=spec.training.threads,
            num_gpus=share,
            max_retries=0,  # Ray would repeat it without its newest checkpoint
            scheduling_strategy="SPREAD",
        ).remote(
            self.run_one,
            spec,
            dict(self.cluster.contents_of(spec)),
            self.mailbox,
            [self.shared],  # in a list, so that it is not fetched before it is needed
            self.cluster.runs_per_gpu,
            versions(),
        )
        self.busy[task] = (spec, attempt)

    def outcomes(
        self, on_progress: OnProgress, timeout: float | None
    ) -> Iterator[RunResult | RunFailure | Death]:
        """Pass messages on and wait a moment; how runs ended meanwhile."""
        if not self.busy:
            return
        ended, _ = ray.wait(list(self.busy), timeout=min(POLL, timeout or POLL))
        self._deliver(on_progress)  # all that the ended runs sent has arrived
        for task in ended:
            spec, attempt = self.busy.pop(task)
            outcome = _outcome(task, spec, attempt)
            if isinstance(outcome, Death) and attempt < TRIES:
                on_progress(Notice(spec.digest, self._lost(spec)))
            yield outcome

    def end(self) -> None:
        """End every run."""
        for task in self.busy:
            ray.cancel(task, force=True)
        ray.kill(self.mailbox)

    def _deliver(self, on_progress: OnProgress) -> None:
        running = {spec.digest for spec, _ in self.busy.values()}
        for message in ray.get(self.mailbox.take.remote()):
            if message.digest not in running:
                continue  # of a machine that was given up and still trains
            if isinstance(message, SavedFile):
                self.cluster.keep(message)
            else:
                on_progress(message)

    def _lost(self, spec: RunSpec) -> str:
        saved = self.cluster.contents_of(spec)
        how = "goes on from its last checkpoint" if saved else "starts again"
        return f"its machine or process was lost; it {how} on any machine of the cluster"


class _Mailbox:
    """Messages of the runs until this process takes them; an actor on this machine."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    def put(self, message: Any) -> None:
        self.messages.append(message)

    def take(self) -> list[Any]:
        messages, self.messages = self.messages, []
        return messages


def _execute(
    run_one: RunOne,
    spec: RunSpec,
    contents: Contents,
    mailbox: Any,
    shared: Sequence[Any],
    runs_per_gpu: int,
    expected: Mapping[str, str],
) -> RunResult | RunFailure:
    """One run, on the machine that executes it."""
    differs = difference(expected, versions())
    if differs:
        return RunFailure(spec, f"a machine that joined the cluster has {differs}")
    node = ray.get_runtime_context().get_node_id()
    here = next(machine for machine in ray_machines.machines() if machine["NodeID"] == node)

    def tell(message: Any) -> None:
        sent = mailbox.put.remote(message)
        if isinstance(message, SavedFile):
            ray.get(sent)  # a file counts as saved when it has left this machine

    return outcome_of(
        run_one,
        spec,
        tell=tell,
        contents=contents,
        fetch=lambda: ray.get(shared[0]),
        workers=max(1, ray_machines.slots_of(here, spec.training.threads, runs_per_gpu)),
    )


def _outcome(task: Any, spec: RunSpec, attempt: int) -> RunResult | RunFailure | Death:
    try:
        outcome: RunResult | RunFailure = ray.get(task)
        return outcome
    except LOST as error:
        reason = f"its machine or process was lost {attempt} times: {ray_machines.one_line(error)}"
        return Death(spec, attempt, TRIES, reason)
    except exceptions.RayError as error:
        return RunFailure(spec, ray_machines.one_line(error), str(error))
