"""CSV files that pandas reads without arguments."""

import pandas as pd

from nanocl.loggers.comma_separated import FILE, kind
from nanocl.records.curves import Point

FACTS = {"strategy": "sgd", "options": "betas=0.9,0.99", "seed": 3}
POINTS = [Point("training/loss", 10, 0.1), Point("average_accuracy", 1, 1 / 3)]


def test_a_file_read_back_has_the_points_exactly_and_goes_on_where_it_ended(tmp_path):
    for point in POINTS:
        log = kind(tmp_path).open("stream/sgd/s3", FACTS)
        log.write([point])
        log.close()
    frame = pd.read_csv(tmp_path / "stream" / "sgd" / "s3" / FILE)
    assert [*frame.columns] == [*FACTS, "curve", "axis", "step", "value"]
    assert [*frame[["curve", "step", "value"]].itertuples(index=False, name=None)] == POINTS
    assert [*frame["axis"]] == ["mini-batches", "experiences"]
    assert {*frame["options"]} == {"betas=0.9,0.99"} and {*frame["seed"]} == {3}


def test_a_point_can_be_read_while_the_run_goes_on(tmp_path):
    log = kind(tmp_path).open("run", FACTS)
    log.write(POINTS)
    assert len(pd.read_csv(tmp_path / "run" / FILE)) == 2
    log.close()
