"""One training of the study as a value: the pretrained start, and the finetuning of an arm."""

from __future__ import annotations

from dataclasses import dataclass, replace

from nanocl.data.teachers import Tasks, draw_tasks
from nanocl.studies.teacher_student.settings import Setting

_DENSE = ("gd", "adam")


@dataclass(frozen=True)
class Start:
    """A student before and after pretraining on teacher A; fields as in `Setting`."""

    seed: int
    dimension: int
    teacher: int
    samples: int
    test_samples: int
    hidden: int
    init_scale: float
    lr: float
    steps: int

    def tasks(self, extra: int, angle: float | None = None) -> Tasks:
        """The data of teacher A and of a teacher B."""
        return draw_tasks(
            self.seed,
            dimension=self.dimension,
            teacher=self.teacher,
            extra=extra,
            samples=self.samples,
            test_samples=self.test_samples,
            angle=angle,
        )


@dataclass(frozen=True)
class Run:
    """One finetuning. Unused values keep their defaults, so that equal runs are equal values."""

    start: Start
    arm: str
    extra: int
    angle: float | None
    optimizer: str
    lr: float
    steps: int
    heads: str
    share: float = 1.0
    interval: int = 0


def run_of(setting: Setting, arm: str, seed: int) -> Run:
    """The run of an arm in a setting."""
    start = Start(
        seed,
        setting.dimension,
        setting.teacher,
        setting.samples,
        setting.test_samples,
        setting.hidden,
        setting.init_scale,
        setting.pretrain_lr,
        setting.pretrain_steps,
    )
    optimizer = arm if arm in _DENSE else setting.optimizer
    run = Run(
        start,
        arm,
        setting.extra,
        setting.angle,
        optimizer,
        setting.adam_lr if optimizer == "adam" else setting.lr,
        setting.steps,
        setting.heads,
    )
    if arm in (*_DENSE, "theorem"):
        return run
    return replace(run, share=setting.share, interval=setting.interval)
