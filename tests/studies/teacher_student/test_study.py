"""A call measures what is missing; pages and figures follow from the records alone."""

import dataclasses
import json
import os

from nanocl.records.plain import SIZE_LIMIT
from nanocl.studies.teacher_student import storage, study
from nanocl.studies.teacher_student.settings import Condition, Setting

QUICK = Setting(
    samples=60, test_samples=50, pretrain_steps=40, steps=30, interval=7, share=0.2, seeds=(0, 1, 2)
)


def test_a_call_measures_what_is_missing_and_draws_the_same_bytes_again(tmp_path, monkeypatch):
    plan = (
        [QUICK, dataclasses.replace(QUICK, angle=30.0), dataclasses.replace(QUICK, angle=90.0)],
        [
            Condition(seeds=(0, 1, 2), samples=60, time=50.0, epsilons=(0.1, 0.03, 0.01)),
            Condition(seeds=(0, 1, 2), samples=60, time=50.0, init_scale=1.0, pretrain_steps=50),
        ],
    )
    monkeypatch.setattr(study, "plan", lambda tier="cpu", seeds=(): plan)
    shares = []
    text = study.run(tmp_path, 2, lambda share, what: shares.append(share))
    assert shares == sorted(shares) and shares[-1] == 1 and "nano-neuron" in text
    files = {path: path.read_bytes() for path in storage.folder(tmp_path).iterdir()}
    records = [path for path in files if path.suffix == ".json"]
    assert len(records) == 5 and all(len(files[path]) < SIZE_LIMIT for path in records)
    assert {path.stem for path in files} >= {
        "README",
        "distance-against-epsilon",
        "forgetting-against-similarity",
    }
    records[0].write_text(records[0].read_text()[:-20])
    before = {path: path.stat().st_mtime_ns for path in records}
    assert study.run(tmp_path, 1) == text
    assert [path for path in records if path.stat().st_mtime_ns != before[path]] == records[:1]
    assert {path: path.read_bytes() for path in storage.folder(tmp_path).iterdir()} == files
    assert json.loads(files[records[0]])["digest"] in records[0].name
    (written,) = study.pages([], tmp_path).items()
    assert written[1].encode() == files[written[0]]
    (figures,) = study.figures([], tmp_path)
    assert figures.draw() == {name: files[figures.folder / name] for name in figures.names}
    assert study.damaged(tmp_path) == [] and all(row[2] for row in study.listing(tmp_path))
    os.truncate(records[0], 20)
    assert study.damaged(tmp_path) == records[:1]
    assert sum(row[2] for row in study.listing(tmp_path)) == 4
