"""The devices of a machine that runs can use. Importing this loads no torch."""

from __future__ import annotations

import os
from dataclasses import dataclass

from nanocl.records import UserError


@dataclass(frozen=True)
class Devices:
    """What runs use of a machine.

    Attributes:
        kind: `cpu` or `cuda`.
        gpus: The GPUs as CUDA_VISIBLE_DEVICES names them; none for `cpu`.
    """

    kind: str
    gpus: tuple[str, ...] = ()

    def workers(self, cores: int, threads: int, runs_per_gpu: int) -> int:
        """How many runs the machine takes at a time.

        Args:
            cores: Cores of the machine.
            threads: Threads of a run.
            runs_per_gpu: Runs that share a GPU.
        """
        if self.gpus:
            return len(self.gpus) * runs_per_gpu
        return max(1, cores // threads)


def devices(kind: str, number: int | None = None) -> Devices:
    """The devices for runs on `cpu` or `cuda`; of several GPUs all, or the one with a number.

    Raises:
        UserError: There is no such GPU.
    """
    if kind != "cuda":
        return Devices(kind)
    import torch

    count = torch.cuda.device_count()
    named = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    names = [name.strip() for name in named.split(",")] if named else map(str, range(count))
    gpus = tuple(names)[:count]
    if number is None:
        return Devices(kind, gpus)
    if number >= len(gpus):
        raise UserError(f"--device cuda:{number}: the GPUs here are 0 to {len(gpus) - 1}")
    return Devices(kind, (gpus[number],))
