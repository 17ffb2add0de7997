"""Equal runs are equal values, so that each is trained once."""

import dataclasses

from nanocl.studies.teacher_student.runs import run_of
from nanocl.studies.teacher_student.settings import Setting


def test_dense_arms_do_not_depend_on_the_mask():
    wide = dataclasses.replace(Setting(), share=0.5, interval=100)
    for arm in ("gd", "adam", "theorem"):
        assert run_of(Setting(), arm, 3) == run_of(wide, arm, 3)
    assert run_of(Setting(), "nano", 3) != run_of(wide, "nano", 3)
    assert run_of(wide, "nano", 3).share == 0.5


def test_the_adam_arm_has_its_own_learning_rate_in_every_setting():
    masked = Setting(optimizer="adam")
    assert run_of(masked, "nano", 0).lr == masked.adam_lr != masked.lr
    assert run_of(Setting(), "adam", 0).lr == Setting().adam_lr
    assert run_of(masked, "gd", 0).optimizer == "gd" and run_of(masked, "gd", 0).lr == masked.lr
