"""The numbers of a seed are its own, and every different run is trained once."""

import dataclasses

import numpy as np

from nanocl.studies.teacher_student import engine, measures
from nanocl.studies.teacher_student.engine import Bench
from nanocl.studies.teacher_student.fitting import TwoLayers
from nanocl.studies.teacher_student.runs import run_of
from nanocl.studies.teacher_student.settings import ARMS, Setting

QUICK = Setting(
    samples=60, test_samples=50, pretrain_steps=40, steps=30, interval=7, share=0.2, seeds=(0, 1, 2)
)


def test_the_numbers_of_a_seed_do_not_depend_on_what_runs_beside_it_bit_for_bit():
    whole = Bench(2).setting(QUICK)
    alone = Bench(1).setting(dataclasses.replace(QUICK, seeds=(2,)))
    bench = Bench(3)
    bench.setting(dataclasses.replace(QUICK, share=0.4, seeds=(5, 2, 1)))
    later = bench.setting(dataclasses.replace(QUICK, seeds=(2, 0)))
    for arm in ARMS:
        for measure in measures.MEASURES:
            assert whole[arm][measure][2] == alone[arm][measure][0] == later[arm][measure][0], (
                arm,
                measure,
            )


def test_an_arm_that_settings_share_is_trained_once(monkeypatch):
    bench, trained = Bench(1), []
    finetune = engine.finetune
    monkeypatch.setattr(
        engine, "finetune", lambda run, *rest: (trained.append(run), finetune(run, *rest))[1]
    )
    bench.setting(QUICK)
    bench.setting(dataclasses.replace(QUICK, share=0.4))
    assert len(trained) == 3 * (len(ARMS) + len(ARMS) - 3) and len(set(trained)) == len(trained)


def test_the_theorem_arm_trains_the_smallest_neuron_of_each_new_sign_without_its_head():
    run = run_of(dataclasses.replace(QUICK, extra=2), "theorem", 4)
    before = engine.initial(run.start)[0]
    before = TwoLayers(before.weights, before.head + np.float32(0.01))
    tasks = run.start.tasks(2)
    after = engine.finetune(run, before, before.head)[0]
    moved = np.flatnonzero(np.any(after.weights != before.weights, axis=1))
    size = np.abs(before.head) * np.linalg.norm(before.weights, axis=1)
    wanted = {
        sign: sorted(np.flatnonzero(np.sign(before.head) == sign), key=lambda i: size[i])
        for sign in (1.0, -1.0)
    }
    assert sorted(moved) == sorted(wanted[sign].pop(0) for sign in tasks.signs[2:])
    assert np.array_equal(after.head, before.head)


def test_a_run_that_diverges_has_no_measures():
    networks = Bench(1).setting(dataclasses.replace(QUICK, lr=1e6, seeds=(0,)))
    assert (
        networks["gd"]["loss_b"] == [None]
        and networks["gd"]["neurons"] == [None]
        and networks["adam"]["loss_b"] != [None]
    )
