"""The notes below a table say how options were tuned, if the record has those options."""

from dataclasses import replace

import pytest
from making import a_result

from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import baselines, suite
from nanocl.protocols.request import Request
from nanocl.reporting import inert, notes, tables
from nanocl.reporting.summaries import summarise


def tuned(strategy="adam", **changed):
    (spec,) = suite.specs(Request("split-mnist", (strategy,), (0,), "task"), Catalogue())
    assert spec.options_from == "tuned"
    (part,) = spec.strategy
    return a_result(replace(spec, strategy=(replace(part, options={**part.options, **changed}),)))


def test_a_tuned_row_says_how_it_was_tuned_in_every_format_that_is_kept():
    rows = summarise([tuned()])
    how = baselines.of_run(rows[0].results[0].spec)["how"]
    assert f"- tuned, adam: {how}" in tables.document(rows, "markdown")
    assert f"tuned, adam: {inert.latex(how)}" in tables.document(rows, "latex")


def test_a_row_with_other_options_does_not_borrow_the_baseline():
    shown = tables.document(summarise([tuned(lr=0.5)]), "markdown")
    assert "- tuned, adam: by a baseline that this version of nanocl does not have" in shown


@pytest.mark.parametrize("brief", [True, False])
def test_rows_that_were_not_tuned_have_no_such_note(brief):
    rows = summarise(
        [replace(result := tuned(), spec=replace(result.spec, options_from="default"))]
    )
    assert not any("tuned" in line for line in notes.below(rows, "accuracy", (), ("",), brief))
