import itertools
import shutil

import made_boards
import pytest
from making import a_result, a_spec

from nanocl.boards import comparison, names
from nanocl.records import UserError, store
from nanocl.reporting import statistics

NAME = made_boards.NAME


def cells(table, metric):
    header = table.header.index("metric")
    (row,) = [row for row in table.rows if row[header] == metric]
    return dict(zip(table.header, row, strict=True))


def accuracies(root, learner):
    rows = names.rows_of(NAME, root)
    (row,) = [row for row in rows if row.strategy == learner]
    return row.columns["average_accuracy"]


def p_value(differences):
    """The share of all sign flips whose mean is at least as far from 0."""
    observed = abs(sum(differences))
    flips = itertools.product((1, -1), repeat=len(differences))
    sums = [abs(sum(s * d for s, d in zip(signs, differences, strict=True))) for signs in flips]
    return sum(total >= observed - 1e-12 for total in sums) / len(sums)


def test_two_learners_are_compared_seed_by_seed(root):
    (table,) = comparison.compare(f"{NAME}:adam", f"{NAME}:sgd", root)
    ours, theirs = (accuracies(root, learner) for learner in ("adam", "sgd"))
    differences = [a - b for a, b in zip(ours, theirs, strict=True)]
    said = cells(table, "ACC")
    low, high = statistics.interval(differences)
    mean = sum(differences) / len(differences)
    assert said["difference [95 %]"] == f"{100 * mean:.2f} [{100 * low:.2f}, {100 * high:.2f}]"
    assert float(said["p"]) == pytest.approx(p_value(differences), rel=1e-2)
    assert said["seeds"] == "6 paired"


def test_the_opposite_comparison_has_the_opposite_sign(root):
    (one,) = comparison.compare(f"{NAME}:adam", f"{NAME}:sgd", root)
    (other,) = comparison.compare(f"{NAME}:sgd", f"{NAME}:adam", root)
    difference = [cells(table, "ACC")["difference [95 %]"].split()[0] for table in (one, other)]
    assert float(difference[0]) == -float(difference[1]) > 0


def test_only_common_seeds_are_paired_and_their_number_is_said(root):
    made_boards.record(root, "sgd", 5).unlink()
    (table,) = comparison.compare(f"{NAME}:adam", f"{NAME}:sgd", root)
    assert cells(table, "ACC")["seeds"] == "5 paired of 6"


def test_different_protocols_are_refused_with_the_keys_that_differ(root):
    store.save(a_result(a_spec("sgd", scenario="task")), root)
    with pytest.raises(UserError, match=r"different protocols.*scenario: class -> task"):
        comparison.compare(f"{NAME}:adam", "split-digits-cpu-task:sgd", root)


def test_two_versions_are_compared_learner_by_learner(version):
    root = version.folder.parents[2]
    path = made_boards.record(root, "sgd", 0)
    made_boards.change(path, initial=[0.2, 0.2, 0.2])
    store.save(a_result(a_spec("sgd", 0)), root)
    made_boards.released(root)
    (table,) = comparison.compare(f"{NAME}@v1.0", f"{NAME}@v1.1", root)
    changed = [row[0] for row in table.rows if row[1] == "ACC" and not row[4].startswith("0.00")]
    assert {row[0] for row in table.rows} == {"adam", "adamw", "sgd"} and changed == ["sgd"]


def test_two_results_folders_are_compared(root, tmp_path):
    other = shutil.copytree(root, tmp_path / "other")
    (table,) = comparison.compare(str(root), str(other), tmp_path)
    assert len(table.rows) >= 3 and all(row[4].startswith("0.00") for row in table.rows)


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (f"{NAME}:adm", f"{NAME}:sgd", "did you mean 'adam'"),
        (f"{NAME}:adam", NAME, "on both sides"),
        ("split-digit:adam", f"{NAME}:sgd", "unknown board 'split-digit'"),
        (f"{NAME}@v1.0:adam", f"{NAME}:sgd", "no board was released"),
    ],
)
def test_a_mistake_is_one_line(root, first, second, words):
    with pytest.raises(UserError, match=words):
        comparison.compare(first, second, root)


def test_a_strategy_with_several_rows_is_named_with_its_options(root):
    for lr in (0.5, 0.6):
        store.save(a_result(a_spec("lwf", lr=lr)), root)
    with pytest.raises(UserError, match=r"several rows of 'lwf': 'lwf lr=0.5', 'lwf lr=0.6'; name"):
        comparison.compare(f"{NAME}:lwf", f"{NAME}:adam", root)
    (table,) = comparison.compare(f"{NAME}:lwf lr=0.5", f"{NAME}:lwf lr=0.6", root)
    assert cells(table, "ACC")["seeds"] == "1 paired"
