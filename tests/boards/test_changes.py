import copy

import pytest

from nanocl.boards import changes
from nanocl.boards.released import Version


def entry(learner="adam", seed=0, checksum="a"):
    path = f"runs/{learner}-{seed}"
    return {"path": path, "learner": learner, "seed": seed, "checksum": checksum}


OLD = {
    "version": "1.3",
    "protocol": {"hash": "1", "training": {"epochs": 1, "head": "auto"}},
    "records": [entry(seed=0), entry(seed=1), entry("sgd")],
}


def changed(*records, **protocol):
    new = copy.deepcopy(OLD)
    new["records"] = list(records) or new["records"]
    new["protocol"]["training"] |= protocol
    return new


def test_equal_contents_have_no_changes():
    assert changes.is_empty(OLD, changed()) and not changes.is_empty(None, OLD)


@pytest.mark.parametrize(
    ("records", "kind", "seeds"),
    [
        ([*OLD["records"], entry(seed=2)], "records_added", {"adam": [2]}),
        ([entry(seed=0), entry("sgd")], "records_removed", {"adam": [1]}),
        ([entry(checksum="b"), *OLD["records"][1:]], "records_changed", {"adam": [0]}),
    ],
)
def test_a_record_that_is_new_gone_or_other_raises_minor_and_is_named(records, kind, seeds):
    new = changed(*records)
    said = changes.between(OLD, new)
    assert {name: value for name, value in said.items() if value} == {kind: seeds}
    assert not changes.is_empty(OLD, new) and changes.next_version(OLD, new) == Version(1, 4)


def test_a_changed_protocol_raises_major_and_is_named_key_by_key():
    new = changed(epochs=2, schedule="cosine")
    said = changes.between(OLD, new)
    assert said["protocol"] == ["training.epochs: 1 -> 2", "training.schedule: none -> cosine"]
    assert said["records_added"] == {} and changes.next_version(OLD, new) == Version(2, 0)


def test_new_and_lost_learners_are_named():
    said = changes.between(OLD, changed(entry(), entry(seed=1), entry("lwf")))
    assert said["learners_added"] == ["lwf"] and said["learners_removed"] == ["sgd"]


def test_the_first_version_is_1_0():
    assert changes.next_version(None, OLD) == Version(1, 0)


def test_the_page_has_every_change_and_the_notes_without_markup_of_the_user():
    new = changed(*OLD["records"], entry("lwf"))
    page = changes.page(
        new
        | {
            "board": "b",
            "version": "1.4",
            "nanocl": "0.1.0",
            "learners": ["adam", "lwf", "sgd"],
            "previous": {"version": "1.3", "identity": "f00d"},
            "changes": changes.between(OLD, new),
            "notes": "# <b>new</b>",
        }
    )
    for words in ("v1.4: changes since v1.3", "learners added: lwf", "lwf, seed 0", "f00d"):
        assert words in page
    assert "<b>" not in page and "\n# " not in page and r"\# &lt;b>new" in page
