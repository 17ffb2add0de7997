"""The matrix of a sequence of own trainings, from points of a record."""

from nanocl.studies.byo import page


def a_training(task, status, *points):
    rows = [{"step": i, "keep": keep, "kl": None, "drift": None} for i, keep in enumerate(points)]
    return {"task": task, "status": status, "points": rows}


def of(**accuracies):
    return {name: {"accuracy": value} for name, value in accuracies.items()}


def test_tasks_that_were_trained_and_kept_are_columns_and_ended_trainings_rows():
    record = {
        "spec": {"keep": ["a", "b", "other"], "name": "mine"},
        "trainings": [
            a_training("a", "ok", of(a=0.1, b=0.2, other=1.0), of(a=0.9, b=0.3, other=1.0)),
            a_training("x", "ok", of(a=0.9, b=0.3, other=1.0), of(a=0.0, b=0.0, other=0.0)),
            a_training("b", "ok", of(a=0.0, b=0.0, other=0.0), of(a=0.5, b=0.8, other=0.7)),
            a_training("a", "interrupted", of(a=0.5, b=0.8, other=0.7)),
        ],
    }
    table = page.matrix(record)
    assert table.header == ("", "a", "b")
    assert table.rows == (
        ("before", "0.1", "0.2"),
        ("after a", "0.9", "0.3"),
        ("after x", "0", "0"),
        ("after b", "0.5", "0.8"),
    )
    assert table.below[0] == "ACC 0.65, F 0.4."
