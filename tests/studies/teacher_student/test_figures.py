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


def test_each_figure_shows_the_settings_that_it_compares():
    def entry(**changed):
        return {"setting": dataclasses.asdict(Setting(**changed))}

    plain, angled, other = entry(), entry(angle=30.0), entry(share=0.2)
    own = entry(heads="own")
    shown = pictured([plain, angled, other, own], [])
    assert shown.neurons == {"neurons-one-new": plain}
    assert (shown.angles, shown.alike) == ([angled], [plain, other])
    assert shown.names() == ["neurons-one-new", "forgetting-against-learning"]
