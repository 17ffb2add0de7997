"""Results hold records; frames, tables and screens are those of the reports."""

import io
import re
import subprocess
import sys

import pandas
import pytest
from digits_records import RESULTS, results
from making import a_result, a_spec

import nanocl
from nanocl.api.results import Results
from nanocl.records import store
from nanocl.reporting import screen, tables

RUNS = results()


def test_results_are_a_sequence_of_records():
    assert len(RUNS) == 6 and RUNS[0] in RUNS and list(RUNS) == list(RUNS.runs)
    assert isinstance(RUNS[:2], Results) and RUNS[:2] + RUNS[1:] == RUNS
    assert repr(RUNS) == "<Results of split-digits; runs: 6, learners: 3, seeds: 2>"


def test_a_frame_has_one_row_a_run_and_numbers_as_floats():
    frame = RUNS.to_pandas()
    assert len(frame) == 6 and frame["digest"].is_unique
    means = frame.groupby("strategy")["average_accuracy"].mean()
    for row in RUNS.summaries:
        values = row.columns["average_accuracy"]
        assert means[row.strategy] == pytest.approx(sum(values) / len(values))
    assert all(frame[name].dtype == float for name in RUNS.summaries[0].columns)
    assert frame["online_accuracy"].isna().all()


def test_long_frames_are_tidy():
    matrices, drift = RUNS.matrices(), RUNS.drift()
    assert not matrices.duplicated(["digest", "view", "trained", "tested"]).any()
    assert not drift.duplicated(["digest", "trained", "since", "group", "metric"]).any()
    assert len(RUNS.drift("decile")) == 6 * 5 * 10
    with pytest.raises(nanocl.UserError, match="by must be one of group, layer, decile"):
        RUNS.drift("tensor")


def test_results_without_runs_are_empty_everywhere():
    none = RUNS.filter(strategy="sgd")
    assert len(none) == len(none.to_pandas()) == len(none.matrices()) == len(none.drift()) == 0
    assert (str(none), none._repr_html_()) == ("no runs", "<p>no runs</p>")


@pytest.mark.parametrize("format", ["text", "markdown", "latex", "csv"])
@pytest.mark.parametrize("kind", ["accuracy", "drift", "cost"])
def test_a_table_is_that_of_the_reports(kind, format):
    expected = tables.render(tables.summarise(RUNS), kind, format)
    assert RUNS.table(kind, format) == expected
    if format == "csv":
        assert len(pandas.read_csv(io.StringIO(expected))) == expected.count("\n") - 1


def test_print_shows_the_screen_of_the_command_with_arguments_of_python():
    shown = screen.screen(tables.summarise(RUNS), 100)
    assert "2 seeds: no test; --seeds 10 gives one." in " ".join(shown.split())
    assert str(RUNS) == RUNS.summary() == shown.replace("--seeds 10", "seeds=10")


def test_a_notebook_shows_the_screen_as_a_table_without_markup_of_the_records():
    html = RUNS._repr_html_()
    names = re.findall(r"<tr><td[^>]*>(.*?)</td>", html)
    assert names == ["joint (bound)", "er (best)", "adamw"] and "seeds=10 gives one" in html
    evil = Results((a_result(a_spec("<script>alert(1)</script>")),))._repr_html_()
    assert "<script" not in evil and "&lt;script&gt;" in evil


def test_a_filter_keeps_the_runs_with_these_values():
    assert {run.spec.seed for run in RUNS.filter(seed=1)} == {1}
    chosen = RUNS.filter(strategy=["er", "joint"], seed=[0])
    assert [run.spec.strategy_name for run in chosen] == ["er", "joint"]
    good = RUNS.filter(lambda run: run.evaluation[-1][0] > 0.5, status="ok")
    assert {run.spec.strategy_name for run in good} == {"er", "joint"}
    with pytest.raises(nanocl.UserError, match="no argument 'strategies'; did you mean 'strategy'"):
        RUNS.filter(strategies="er")


def test_a_results_folder_is_loaded_without_what_is_damaged(tmp_path):
    for run in RUNS:
        store.save(run, tmp_path)
    assert sorted(run.spec.digest for run in nanocl.load_results(tmp_path)) == sorted(
        run.spec.digest for run in RUNS
    )
    path = store.path_of(RUNS[0].spec, tmp_path)
    path.write_text(path.read_text().replace('"ok"', '"diverged"'))
    with pytest.warns(UserWarning, match="skipped .*json: ") as warned:
        assert len(nanocl.load_results(tmp_path)) == 5
    assert len(warned) == 1 and warned[0].filename == __file__
    with pytest.raises(nanocl.UserError, match="is no results folder"):
        nanocl.load_results(RESULTS / "runs")


def test_pandas_matplotlib_and_torch_are_loaded_only_when_used():
    program = (
        "import sys, nanocl\n"
        "late = {'torch', 'pandas', 'matplotlib', 'numpy'}\n"
        "assert not late & set(sys.modules), 'import nanocl'\n"
        "nanocl.Results, nanocl.load_results, nanocl.forgetting([[0.9], [0.5, 0.8]])\n"
        "nanocl.list_plugins('models'), nanocl.run\n"
        "print(sorted((late - {'numpy'}) & set(sys.modules)))\n"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (shown.stdout, shown.stderr) == ("[]\n", "")
