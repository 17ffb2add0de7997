import csv
import io
import re
import shutil
import subprocess

import made_boards
import numpy
import pytest
from making import a_result, a_spec, shifted

from nanocl.boards import contents, names
from nanocl.records import store
from nanocl.reporting import pairs
from nanocl.reporting.summaries import summarise


@pytest.fixture
def rows(root):
    return names.rows_of(made_boards.NAME, root)


def scores(rows):
    return numpy.array([row.columns["average_accuracy"] for row in rows])


def test_the_statistics_say_what_the_test_of_all_pairs_says(rows):
    said = contents.board_statistics(rows)
    separable = int((pairs.p_values(scores(rows)) < 0.05).sum() / 2)
    assert said["discriminability"]["separable"] == separable == 3
    assert said["seeds"] == list(range(made_boards.SEEDS)) and said["compared_rows"] == 3
    assert said["discriminability"]["share"] == 1.0


def test_statistics_have_no_digits_that_differ_between_builds(rows):
    said = contents.board_statistics(rows)["discriminability"]
    for value in said.values():
        assert value == float(f"{value:.6g}")


def test_the_csv_has_the_mean_of_every_row_without_comment_lines(rows):
    lines = list(csv.DictReader(io.StringIO(contents.tables(rows, {})["table.csv"])))
    means = {
        line["strategy"]: float(line["mean"])
        for line in lines
        if line["metric"] == "average_accuracy"
    }
    for row, values in zip(rows, scores(rows), strict=True):
        assert means[row.strategy] == pytest.approx(values.mean(), abs=1e-15)


def test_the_best_score_is_bold_only_where_the_test_separates_it(rows, tmp_path):
    bold = re.findall(r"\\textbf\{([^}]*)\}", contents.tables(rows, {})["table.tex"])
    best = max(scores(rows).mean(axis=1))
    assert len(bold) == 1 and bold[0].startswith(f"{100 * best:.2f}")
    for learner in ("sgd", "adam"):
        for seed in range(7):
            noise = (seed * 3 + len(learner)) % 7 / 50
            store.save(a_result(a_spec(learner, seed), shifted(noise - 0.08)), tmp_path / "equal")
    equal = names.rows_of(made_boards.NAME, tmp_path / "equal")
    assert r"\textbf" not in contents.tables(equal, {})["table.tex"]


def latex_of(text):
    return (
        "\\documentclass{article}\\usepackage{booktabs}\\usepackage{graphicx}\n"
        f"\\begin{{document}}\n{text}\\end{{document}}\n"
    )


def hostile_rows():
    """Rows whose names and options have every character that LaTeX acts on."""
    options = {"a_b": r"50% & $x$ # {y} ~ ^ \input{z} <|>"}
    return summarise([a_result(a_spec("sgd", seed, **options)) for seed in range(2)])


def test_the_latex_table_has_balanced_environments_and_escaped_text():
    text = contents.tables(hostile_rows(), {})["table.tex"]
    opened, closed = (re.findall(rf"\\{word}\{{(\w+)\}}", text) for word in ("begin", "end"))
    assert sorted(opened) == sorted(closed) and "tabular" in opened
    assert r"\input" not in text and r"\textbackslash{}input" in text
    bare = re.sub(r"\\[&%$#_{}\\]", "", text)  # without escaped characters and line ends
    assert bare.count("{") == bare.count("}") and "%" not in bare.replace("{%", "")
    columns = len(re.search(r"\\begin\{tabular\}\{([lr]+)\}", text)[1])
    grid = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    lines = [line for line in grid.splitlines() if line.endswith(r"\\")]
    assert {len(re.findall(r"(?<!\\)&", line)) for line in lines} == {columns - 1}


def test_options_are_numbered_notes_in_print():
    rows = summarise([a_result(a_spec(name, 0, lr=0.5)) for name in ("sgd", "lwf")])
    text = contents.tables(rows, {})["table.tex"]
    assert "sgd [1] &" in text and "lwf [1] &" in text and text.count("[1] lr=0.5") == 1
    assert " options &" not in text and " note " not in text


def test_the_reason_why_a_row_is_not_ranked_is_a_note_in_print():
    runs = [a_result(a_spec(name, seed)) for name in ("sgd", "joint") for seed in range(2)]
    text = contents.tables(summarise(runs), {})["table.tex"]
    assert r"joint: upper bound, not ranked\par" in text


@pytest.mark.skipif(
    not (shutil.which("pdflatex") or shutil.which("tectonic")),
    reason="needs pdflatex or tectonic",
)
def test_the_latex_table_compiles(tmp_path):
    (tmp_path / "page.tex").write_text(latex_of(contents.tables(hostile_rows(), {})["table.tex"]))
    if shutil.which("pdflatex"):
        command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "page.tex"]
    else:
        command = ["tectonic", "page.tex"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120, capture_output=True)
    assert (tmp_path / "page.pdf").stat().st_size > 0


def test_a_tuned_row_names_how_it_was_tuned_in_the_page():
    rows = summarise([a_result(a_spec("sgd", 0, options_from="tuned"))])
    recipes = {contents.label(rows[0]): {"how": "best of 6 values"}}
    assert "- tuned, sgd: best of 6 values" in contents.tables(rows, recipes)["table.md"]


def test_environments_are_listed_once(rows):
    assert [one["torch"] for one in contents.environments(rows)] == ["2.5.1"]
