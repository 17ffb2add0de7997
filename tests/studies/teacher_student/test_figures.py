"""The figures of the study."""

import dataclasses

from nanocl.studies.teacher_student import figures
from nanocl.studies.teacher_student.engine import Bench
from nanocl.studies.teacher_student.pictured import pictured
from nanocl.studies.teacher_student.settings import Setting

QUICK = Setting(
    samples=60, test_samples=50, pretrain_steps=40, steps=30, interval=7, share=0.2, seeds=(0, 1, 2)
)


def test_a_vector_figure_is_the_same_twice():
    entry = {
        "setting": dataclasses.asdict(Setting(seeds=(0,))),
        "values": Bench(1).setting(dataclasses.replace(QUICK, seeds=(0,))),
    }
    first, second = (figures.draw(pictured([entry], []), "svg") for _ in range(2))
    assert first == second and list(first) == ["neurons-one-new.svg"]
    assert b"<dc:date>" not in first["neurons-one-new.svg"]
