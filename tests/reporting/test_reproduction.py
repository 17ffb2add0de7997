"""Published numbers are compared with our records of the same options."""

from dataclasses import replace

import pytest
from making import a_result

from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import suite
from nanocl.protocols.request import Request
from nanocl.reporting import metrics, reproduction
from nanocl.reporting.summaries import evaluation_of

PROTOCOL = {
    "toy": {
        "stream": {"family": "split"},
        "options": {"adam": {"lr": 1e-4}},
        "tier": {"cpu": {}, "paper": {}},
        "published": [
            {
                "source": "A table",
                "tier": "paper",
                "scenario": "class",
                "ACC": {"adam": [50.0, 0.1], "sgd": [20.0, 4.0]},
            }
        ],
    }
}


def a_published(strategy="adam", seed=0):
    request = Request("toy", (strategy,), (seed,), "class", "paper")
    return replace(
        suite.resolve("toy", PROTOCOL["toy"], request, Catalogue())[0], data="0123456789abcdef"
    )


def run(strategy="adam", seed=0, value=0.5, **values):
    made = a_result(a_published(strategy, seed))
    row = (value,) * len(made.initial)
    official = ({**made.data[0], "release": "official"},)
    return replace(made, evaluation=(row,) * len(made.initial), data=official, **values)


def test_a_row_agrees_within_two_points_or_three_published_deviations():
    rows = reproduction.compare(PROTOCOL, [run(value=0.519), run("sgd", value=0.31)])
    assert [(row.strategy, row.tolerance, row.agrees) for row in rows] == [
        ("adam", 2.0, True),
        ("sgd", 12.0, True),
    ]
    rows = reproduction.compare(PROTOCOL, [run(value=0.521), run("sgd", value=0.33)])
    assert [row.agrees for row in rows] == [False, False]


def test_runs_of_other_options_protocol_or_data_do_not_count_whatever_they_are_called():
    other = run()
    spec = replace(other.spec, options_from="published")
    (adam,) = spec.strategy
    for wrong in (
        replace(other, status="diverged"),
        replace(other, spec=replace(spec, tier="cpu")),
        replace(
            other,
            spec=replace(spec, strategy=(replace(adam, options={**adam.options, "lr": 1e-3}),)),
        ),
        replace(other, spec=replace(spec, strategy=(replace(adam, plugin="0" * 12),))),
        replace(other, spec=replace(spec, training=replace(spec.training, epochs=9))),
        replace(other, spec=replace(spec, model=replace(spec.model, name="small-cnn"))),
        replace(other, data=({**other.data[0], "release": "other"},)),
    ):
        assert reproduction.compare(PROTOCOL, [wrong])[0].agrees is None
    same = replace(other, spec=replace(other.spec, options_from="set", seed=7))
    assert reproduction.compare(PROTOCOL, [same])[0].agrees


def test_the_page_shows_what_was_not_measured():
    page = reproduction.published_and_ours(reproduction.compare(PROTOCOL, [run()]))
    lines = [line.replace(" ", "") for line in page.splitlines() if "| toy" in line]
    assert [line.strip("|").split("|") for line in lines] == [
        ["toy", "class", "adam", "ACC", "50.00±0.10", "50.00", "1", "+0.00", "2.00", "yes", "yes"],
        ["toy", "class", "sgd", "ACC", "20.00±4.00", "notmeasured", "0", "-", "12.00", "-", "-"],
    ]


def only_last(strategy, scenario, last, initial=(0.5, 0.5, 0.5)):
    """A run that ends at 0 % or at guessing on all experiences but the last."""
    made = run(strategy)
    others = (0.0, 0.0) if scenario == "class" else initial[:-1]
    spec = replace(made.spec, scenario=scenario)
    return replace(made, spec=spec, initial=initial, evaluation=((*others, last),) * 3)


def comparison(runs, published, deviation=0.1):
    column = metrics.average_accuracy
    trivial = reproduction._trivial(column, runs)
    ours = tuple(reproduction._scores(column, map(evaluation_of, runs)))
    return reproduction.Comparison("toy", "", "adam", "", published, deviation, ours, trivial)


def test_a_row_that_keeping_only_the_last_experience_would_meet_is_no_gate():
    naive = comparison([only_last("adam", "class", 0.99)], published=33.0)
    assert naive.agrees and not naive.gate and naive.passing == (reproduction.LAST_ONLY,)
    replay = comparison([run(value=0.9)], published=90.0)
    assert replay.agrees and replay.gate
    task = comparison([only_last("adam", "task", 0.99)], published=66.0)
    assert task.agrees and not task.gate and max(task.trivial[reproduction.LAST_ONLY]) > 66


def test_a_row_that_an_untrained_model_would_meet_is_no_gate():
    guessing = comparison([replace(run(value=0.5), initial=(0.5, 0.5, 0.5))], published=50.0)
    assert guessing.agrees and reproduction.UNTRAINED in guessing.passing and not guessing.gate
    assert not comparison([], published=50.0).gate


def test_the_page_counts_gates_and_says_why_a_row_is_none():
    rows = [
        comparison([only_last("adam", "class", 0.99)], published=33.0),
        comparison([run(value=0.9)], published=90.0),
        comparison([run(value=0.7)], published=90.0),
        comparison([], published=90.0),
    ]
    page = reproduction.published_and_ours(rows)
    assert "Gates that agree: 1 of 2. Measured rows that are no gates: 1. Not measured: 1." in page
    assert "no: keeping only the last experience would agree |" in page


def test_a_gate_names_the_other_learners_that_would_pass_it():
    adam, sgd, far = (comparison([run(value=v)], published=90.0) for v in (0.9, 0.91, 0.7))
    rows = [adam, replace(sgd, strategy="sgd"), replace(far, strategy="far")]
    gates = [
        line.split(" | ")[-1].strip(" |")
        for line in reproduction.published_and_ours(rows).splitlines()
        if line.startswith("| toy")
    ]
    assert gates == [
        "yes, but sgd would agree",
        "yes, but adam would agree",
        "yes, but adam and sgd would agree",
    ]


def until_mastered(seed, retention, steps=(120, 50, 40, 10)):
    """A run of two pairs of classes that come twice."""
    made = run("sgd", seed)
    matrix = ((0.9, 0, 0.9, 0), (retention, 0.9, retention, 0.9), (0.9, 0, 0.9, 0), (0.5, 0.9) * 2)
    return replace(
        made,
        spec=replace(made.spec, scenario="domain"),
        initial=(0.25,) * 4,
        evaluation=matrix,
        mastery=tuple({"steps": count, "mastered": True} for count in steps),
        experiences=({"classes": (1, 2)}, {"classes": (3, 4)}) * 2,
    )


def test_against_a_standard_error_a_row_agrees_within_three_of_the_difference():
    block = {"scenario": "domain", "source": "", "spread": "standard error"}
    block |= {"retention": {"sgd": [10.0, 0.3]}, "relearning_ratio": {"sgd": [3.0, 0.1]}}
    runs = [until_mastered(seed, value) for seed, value in enumerate((0.10, 0.12, 0.14))]
    retained = reproduction._comparison("toy", block, "retention", "sgd", runs)
    ours = 2 / 3**0.5  # of 10, 12 and 14
    assert retained.ours == pytest.approx((10, 12, 14))
    assert retained.tolerance == pytest.approx(3 * (0.3**2 + ours**2) ** 0.5)
    assert retained.agrees and retained.score == "retention"
    ratio = reproduction._comparison("toy", block, "relearning_ratio", "sgd", runs)
    assert ratio.ours == (3.0,) * 3 and ratio.tolerance == pytest.approx(0.3)


def test_what_learners_that_keep_nothing_would_retain_and_save_is_known():
    runs = [until_mastered(0, 0.1)]
    trivial = [
        reproduction._trivial(reproduction._column(name), runs)
        for name in ("retention", "final_retention", "relearning_ratio")
    ]
    assert [entry[reproduction.UNTRAINED] for entry in trivial] == [(25.0,), (25.0,), (1.0,)]
    assert [entry[reproduction.LAST_ONLY] for entry in trivial] == [
        (0.0, 25.0),
        (0.0, 25.0),
        (1.0, 1.0),
    ]
