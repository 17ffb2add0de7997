"""Instruments of one run: seconds, peak memory, bytes of state, and the machine it ran on."""

from __future__ import annotations

import platform
import resource
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import Tensor
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from nanocl import __version__
from nanocl.plugins.state import held_by, unsaved
from nanocl.records import Cost, Environment

# extras that decide what a run computes
LIBRARIES = ("bitsandbytes", "peft", "pytorch-optimizer", "timm", "torchao", "transformers")
COUNTS = ("seconds", "cpu_seconds", "steps", "samples", "strategy_bytes", "together", "resumed")
_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


class Meter:
    """Seconds, steps and peak memory of one run.

    Attributes:
        seconds: Wall-clock seconds spent inside `training()` so far.
        cpu_seconds: CPU seconds of this process inside it, all threads together.
        steps: Training mini-batches counted so far.
        samples: Training samples counted so far.
        together: Learners trained as one model with this one, itself included; 0 for none.
        resumed: Times that the run went on from a checkpoint.
        strategy_bytes: The largest number of bytes in the strategies' tensors seen so far.
    """

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
        self.seconds = 0.0
        self.cpu_seconds = 0.0
        self.steps = 0
        self.samples = 0
        self.strategy_bytes = 0
        self.together = 0
        self.resumed = 0
        self._shared_by = 1
        self._since: float | None = None
        self._cpu_since = 0.0
        _forget_peak()
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()

    def state_dict(self) -> dict[str, Any]:
        """The counts until now."""
        counts = {name: getattr(self, name) for name in COUNTS}
        return {**counts, "seconds": self.elapsed(), "cpu_seconds": self._cpu_elapsed()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from the counts that `state_dict` returned: the run resumed once more."""
        for name in COUNTS:
            setattr(self, name, state[name])
        self.resumed += 1
        self.begin()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the seconds of this block out of those of training."""
        running = self._since is not None
        if running and self.device == "cuda":
            torch.cuda.synchronize()  # kernels of training that have not ended are training
        self.seconds, self.cpu_seconds = self.elapsed(), self._cpu_elapsed()
        self._since = None
        try:
            yield
        finally:
            if running:
                self._start()

    def begin(self) -> None:
        """Within training, count from now on and forget what passed since the last count."""
        if self._since is not None:
            self._start()

    @contextmanager
    def training(self, shared_by: int = 1) -> Iterator[None]:
        """Count the seconds of this block, on a GPU until its last kernel has ended.

        Args:
            shared_by: Learners that are trained in the block as one model; each counts its share.
        """
        if shared_by > 1:
            self.together = max(self.together, shared_by)
        self._shared_by = shared_by
        self._start()
        try:
            yield
        finally:
            if self.device == "cuda":
                torch.cuda.synchronize()
            self.seconds, self.cpu_seconds = self.elapsed(), self._cpu_elapsed()
            self._since = None

    def _start(self) -> None:
        self._since = time.perf_counter()
        self._cpu_since = time.process_time()

    def _cpu_elapsed(self) -> float:
        running = 0.0 if self._since is None else time.process_time() - self._cpu_since
        return self.cpu_seconds + running / self._shared_by

    def elapsed(self) -> float:
        """Seconds of training until now, including the current block."""
        if self._since is None:
            return self.seconds
        return self.seconds + (time.perf_counter() - self._since) / self._shared_by

    def look_at(self, strategies: Iterable[Any]) -> None:
        """Note the bytes that the strategies hold now."""
        held = 0
        for strategy in strategies:
            left_out = {name.split(".")[0] for name in unsaved(strategy)}
            held += tensor_bytes(held_by(strategy))
            held += tensor_bytes([getattr(strategy, name) for name in left_out])
        self.strategy_bytes = max(self.strategy_bytes, held)

    def cost(
        self,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        strategies: Iterable[Any],
        *,
        workers: int,
    ) -> Cost:
        """What the run took until now."""
        self.look_at(strategies)
        parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
        state = tensor_bytes(list(optimizer.state.values()))
        return Cost(
            train_seconds=self.seconds,
            steps=self.steps,
            seconds_per_step=self.seconds / max(1, self.steps),
            samples_per_second=self.samples / self.seconds if self.seconds else 0.0,
            peak_memory_bytes=peak_memory(),
            device_memory_bytes=torch.cuda.max_memory_allocated() if self.device == "cuda" else 0,
            optimizer_state_bytes=state,
            parameters=parameters,
            state_bytes_per_parameter=state / max(1, parameters),
            strategy_state_bytes=self.strategy_bytes,
            workers=workers,
            cpu_seconds=self.cpu_seconds,
            together=self.together,
            resumed=self.resumed,
        )


def tensor_bytes(value: Any) -> int:
    """Bytes of all tensors in nested mappings, lists and tuples.

    A tensor that wraps others (8-bit moments) counts as those; another object, such as GaLore's
    projection, counts as the tensors among its attributes.
    """
    if isinstance(value, Tensor) and is_traceable_wrapper_subclass(value):
        return sum(tensor_bytes(getattr(value, name)) for name in value.__tensor_flatten__()[0])
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, Mapping):
        return sum(map(tensor_bytes, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(tensor_bytes, value))
    attributes = getattr(value, "__dict__", {}).values()
    held = chain.from_iterable(
        one if isinstance(one, list | tuple) else [one] for one in attributes
    )
    return sum(tensor_bytes(one) for one in held if isinstance(one, Tensor))


def peak_memory() -> int:
    """Highest resident set size in bytes since the last `Meter` was made; off Linux, in all."""
    try:
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def _forget_peak() -> None:
    try:
        # Linux: the peak is counted from now on, so that runs in one worker do not mix
        _RESET.write_text("5")
    except OSError:
        return


def environment(device: str) -> Environment:
    """Versions and machine facts for the record."""
    return Environment(
        nanocl=__version__,
        python=platform.python_version(),
        torch=str(torch.__version__),  # its own class would load torch where it is received
        avalanche=version("avalanche-lib"),
        numpy=numpy.__version__,
        platform=platform.system().lower(),
        processor=processor(),
        device=torch.cuda.get_device_name() if device == "cuda" else "cpu",
        threads=torch.get_num_threads(),
        libraries={
            package: version(package)
            for package in LIBRARIES
            if package.replace("-", "_") in sys.modules
        },
    )


def processor() -> str:
    """The processor's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(
            line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
