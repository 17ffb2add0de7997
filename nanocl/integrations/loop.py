"""`ForgettingMeter`: measures forgetting, drift and cost in a training loop of your own."""

from __future__ import annotations

import json
import math
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nanocl.integrations import arguments, drafts, facts, weights
from nanocl.integrations.predictions import Divergence, Metric, all_measured, undisturbed
from nanocl.integrations.reader import Reader
from nanocl.records import trainings
from nanocl.training.drift import DriftMeter
from nanocl.training.measure import Meter

TIMES = ("train_seconds", "cpu_seconds", "steps")
BYTES = ("peak_memory_bytes", "device_memory_bytes", "optimizer_state_bytes")
COSTS = (*TIMES, *BYTES, "parameters")


class ForgettingMeter:
    """Measures a model before, during and after training, and writes a record.

        meter = ForgettingMeter(keep={"old task": old_test_set}, new=new_test_set, every=100)
        meter.before(model, optimizer)
        for batch in loader:
            ...
            optimizer.step()
            meter.step(model, optimizer)
        meter.after(model, optimizer)

    `python -m nanocl.report --results RESULTS` tables and plots the records. A second training with
    the same meter continues the sequence; the record then holds an evaluation matrix. Measuring
    changes no weight, no mode and no random number of training. Its seconds are not training's.

    Args:
        keep: Name to what must not be forgotten: a data set with labels (mean loss and, for
            classes, accuracy), or a callable that takes the model and returns a number or a mapping
            of numbers. Samples are mappings of the model's arguments, or (input, target).
        new: Held-out data of the new task, or a mapping of tasks to such data: loss, accuracy and
            KL divergence from the model at the start of the training. Without it there are none.
        every: Steps between measurements during training; 0 for none during it.
        tasks: Names of the trainings in their order, those of `keep` where they are the same data;
            default `task 1`, `task 2`, ...
        name: Name of the row in tables; default: model and optimizer.
        results: The results folder.
        samples: Samples of `new` that are measured; see `Divergence` for the memory.
        reader: Batch size and collate function of measurements.
    """

    loop = "loop"

    @arguments.named
    def __init__(
        self,
        keep: Mapping[str, Any | Metric],
        *,
        new: Any = None,
        every: int = 0,
        tasks: Sequence[str] = (),
        name: str = "",
        results: str | Path = "results",
        samples: int = 64,
        reader: Reader | None = None,
    ) -> None:
        self.every = arguments.count("every", every, 0)
        self.samples = arguments.count("samples", samples, 1)
        self.tasks = arguments.names(tasks)
        arguments.check_kept(keep)
        arguments.check_new(new, self.tasks)
        unkept = arguments.unkept(keep, self.tasks)
        if unkept and facts.is_first_process():
            print(f"nanocl: {unkept}", file=sys.stderr)
        self.keep, self.new, self.name = dict(keep), new, name
        self.results, self.reader = Path(results), reader or Reader()
        self.path: Path | None = None
        self.record: dict[str, Any] = {}
        self.steps = 0
        self._drift: DriftMeter | None = None
        self._divergence = Divergence([], self.reader, self.samples)
        self._loaded: Mapping[str, Any] | None = None
        self._clock = Meter()
        self._running = ExitStack()

    def before(
        self,
        model: nn.Module,
        optimizer: Any = None,
        *,
        seed: int | None = None,
        precision: str = "",
        resumed_at: int = 0,
    ) -> None:
        """Measure the start of a training, or continue one after `load_state_dict`.

        Args:
            model: The model as it will be trained, adapters included.
            optimizer: Its optimizer; None if it is made later.
            seed: Seed of the run for the record; default: torch's initial seed.
            precision: Of training, such as `bf16`; default: the type of the weights.
            resumed_at: The step that a checkpoint had. Without the state of this meter from that
                step the start counts as unknown.
        """
        model = weights.bare(model)
        device = "cuda" if next(model.parameters()).is_cuda else "cpu"
        self._running.close()
        self._clock = Meter(device)
        if self._loaded is not None:
            self._restore(model, self._loaded, resumed_at)
        else:
            self.steps = resumed_at
            precision = precision or str(next(model.parameters()).dtype).removeprefix("torch.")
            seed = torch.initial_seed() if seed is None else seed
            self._begin(model, {"seed": seed, "precision": precision})
        if optimizer is not None:
            self._write(optimizer)
        self._running = ExitStack()
        self._running.enter_context(self._clock.training())

    def step(self, model: nn.Module, optimizer: Any) -> None:
        """Count a step of the optimizer; measure if `every` divides the steps so far."""
        self._check_begun("step")
        self.steps += 1
        self._clock.steps += 1
        is_due = self.every and self.steps % self.every == 0
        if is_due or not self._training["optimizer"]["name"]:
            with self._clock.paused():
                if is_due:
                    self._training["points"].append(self._point(weights.bare(model)))
                self._write(optimizer)

    def after(
        self, model: nn.Module, optimizer: Any, *, weights_of_step: int | None = None
    ) -> Path:
        """Measure the end of a training and write the record.

        Args:
            model: The model.
            optimizer: Its optimizer.
            weights_of_step: If the weights are not those of the last step, the step they are of.

        Returns:
            The file of the record.
        """
        self._check_begun("after")
        self._running.close()
        model, training = weights.bare(model), self._training
        cost = asdict(self._clock.cost(model, optimizer, (), workers=1))
        training["cost"] = {name: cost[name] for name in COSTS}
        training["weights_of_step"] = weights_of_step
        points = training["points"]
        if len(points) > 1 and points[-1]["step"] == self.steps:
            points.pop()  # the weights may be others than then
        points.append(self._point(model))
        assert self._drift is not None
        training["drift"] = asdict(self._drift.look(model))
        moved = training["drift"]["start"].get("all", {"l2": 0.0})["l2"]
        training["status"] = "ok" if math.isfinite(moved) else "diverged"
        path = self._write(optimizer)
        if facts.is_first_process() and len(self.record["trainings"]) == max(1, len(self.tasks)):
            folder = shlex.quote(str(self.results))
            print(
                f"nanocl: wrote {path}; next: python -m nanocl.report --results {folder}",
                file=sys.stderr,
            )
        return path

    def state_dict(self) -> dict[str, Any]:
        """What a resumed training needs: put it into your checkpoint."""
        if self._drift is None:
            return {}
        return {
            "plan": self._plan(),
            "record": json.dumps(self.record),
            "steps": self.steps,
            "drift": self._drift.state_dict(),
            "divergence": self._divergence.start,
            "clock": self._clock.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue at the next `before` from what `state_dict` returned.

        Raises:
            ValueError: It is the state of another measurement.
        """
        if state and state.get("plan") != self._plan():
            raise ValueError(
                f"the state was measured with {state.get('plan')}, not with {self._plan()}"
            )
        self._loaded = state or None

    @property
    def _training(self) -> dict[str, Any]:
        return self.record["trainings"][-1]

    def _plan(self) -> str:
        plan = {"keep": sorted(self.keep), "every": self.every, "tasks": self.tasks}
        return json.dumps({**plan, "samples": self.samples, "name": self.name})

    def _check_begun(self, method: str) -> None:
        if not self.record or self._training["status"] != "interrupted":
            raise RuntimeError(f"{method} was called outside of a training; call before first")

    def _begin(self, model: nn.Module, run: Mapping[str, Any]) -> None:
        is_first = self._drift is None
        is_off = is_first and weights.starts_without_adapters(model)
        if self._drift is None:
            self._drift = DriftMeter(model, weights.head_names(model), weights.weights_of)
            self.record = self._opened(model, run)
        if is_off:
            start = weights.weights_without_adapters(model)
            self._drift.load_state_dict({"start": start, "previous": start})
        elif self.steps:
            self.record["start"] = "unknown"
        if not is_first:
            self._drift.measure(model)  # `previous` is the model at the start of this training
        self._open_training(model)
        with weights.adapters_off(model) if is_off else nullcontext():
            with undisturbed(model):
                self._training["new_data"] = self._divergence.begin(model)
            point = self._point(model, is_start=is_first)
        self._training["points"].append({**point, "step": 0 if is_off else self.steps})

    def _opened(self, model: nn.Module, run: Mapping[str, Any]) -> dict[str, Any]:
        """The record without trainings."""
        plan = {"keep": [*self.keep], "tasks": [*self.tasks], "every": self.every}
        named = {"name": self.name, "loop": self.loop, "samples": self.samples}
        return drafts.sequence(model, {**named, **plan, **run})

    def _open_training(self, model: nn.Module) -> None:
        number = len(self.record["trainings"])
        task = self.tasks[number] if number < len(self.tasks) else f"task {number + 1}"
        self._divergence = self._data_of(task)
        samples = self._divergence.samples
        draft = drafts.training(model, task, step=self.steps, kl_samples=samples)
        self.record["trainings"].append(draft)

    def _data_of(self, task: str) -> Divergence:
        by_task = isinstance(self.new, Mapping)
        data = self.new.get(task) if by_task else self.new
        name = f"new[{task!r}]" if by_task else "new"
        return Divergence([] if data is None else data, self.reader, self.samples, name)

    def _restore(self, model: nn.Module, state: Mapping[str, Any], resumed_at: int) -> None:
        if resumed_at and resumed_at != state["steps"]:
            raise ValueError(f"the state is of step {state['steps']}, not of {resumed_at}")
        self.record, self.steps = json.loads(state["record"]), state["steps"]
        self._loaded = None
        if self._drift is None:
            self._drift = DriftMeter(model, weights.head_names(model), weights.weights_of)
        self._drift.load_state_dict(state["drift"])
        self._divergence = self._data_of(self._training["task"])
        self._divergence.start = state["divergence"]
        self._clock.load_state_dict(state["clock"])
        self._training["resumed_at"].append(self.steps)
        self._training["status"] = "interrupted"  # a training that had ended goes on

    def _point(self, model: nn.Module, *, is_start: bool = False) -> dict[str, Any]:
        """One measurement; drift at the very start is none by definition."""
        with undisturbed(model):
            kept, found = all_measured(model, self.keep, self.reader, is_start)
            new = self._divergence.now(model)
        self.record["spec"] |= {"data": found} if is_start else {}
        drift = None if is_start or self._drift is None else self._drift.look(model).start
        parts = {"step": self.steps, "keep": kept, "new": new.numbers}
        return {**parts, "kl": new.kl, "drift": drift}

    def _write(self, optimizer: Any) -> Path:
        """Write the record as it is now; until the training has ended it is `interrupted`."""
        spec, training = self.record["spec"], self._training
        if not training["optimizer"]["name"]:
            training["optimizer"] = facts.described(optimizer)
        if not spec["optimizer"]["name"]:
            spec["optimizer"] = training["optimizer"]
            spec["name"] = spec["name"] or f"{spec['model']} {training['optimizer']['name']}"
        states = {one["status"] for one in self.record["trainings"]} - {"ok"}
        self.record["status"] = min(states, default="ok")
        if facts.is_first_process():
            if self.path is None and not training["resumed_at"]:
                trainings.number(spec, self.results)
            self.path = trainings.save(self.record, self.results)
        return self.path or trainings.path_of(spec, self.results)
