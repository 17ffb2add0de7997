import io
import shutil
import subprocess

import pandas
import pytest
from making import a_result, a_spec, shifted

from nanocl.reporting import paper_formats
from nanocl.reporting.papers import Choice
from nanocl.reporting.summaries import summarise

COLUMNS = ("acc", "task_acc", "forgetting", "relative")
ARTICLE = r"""\documentclass{article}
\usepackage{booktabs}
\setlength{\textwidth}{3.3in}
\begin{document}
%s
\end{document}
"""


def rows(seeds=6, names=("nanoadam", "online-ewc+adamw", "joint")):
    runs = []
    for place, name in enumerate(names):
        for seed in range(seeds):
            matrix = shifted(seed / 100 - place / 20)
            runs.append(a_result(a_spec(name, seed), matrix, masked=matrix))
    return summarise(runs)


def shown(format, **choice):
    return paper_formats.document(rows(), Choice(**{"columns": COLUMNS, **choice}), format)


def test_latex_has_mean_and_deviation_in_one_cell_and_the_best_in_bold():
    text = shown("latex")
    assert r"$\mathbf{62.5}_{\pm 1.9}$" in text  # 60.0 + mean of 0 to 5; deviation of 0 to 5
    heads = (r"ACC $\uparrow$ & ", r"{task-IL\\ACC $\uparrow$} & ", r"F $\downarrow$ & relative \\")
    assert "".join((heads[0], r"\shortstack[r]", *heads[1:])) in text
    assert r"\toprule" in text and r"\resizebox" not in text
    assert r"\mathbf" not in shown("latex", best="none")


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
def test_latex_of_four_columns_fits_one_column_of_a_page(tmp_path):
    (tmp_path / "paper.tex").write_text(ARTICLE % shown("latex"))
    call = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout


def test_markdown_and_text_mark_the_same_cells():
    assert "**62.5 ± 1.9**" in shown("markdown")
    text = shown("text")
    assert "62.5 ± 1.9 *" in text and "*: best in its" in text and "Bold" not in text


def test_csv_has_full_numbers_that_pandas_reads_without_arguments():
    frame = pandas.read_csv(io.StringIO(shown("csv"))).set_index("row")
    assert list(frame.columns[-8::2]) == list(COLUMNS)
    assert frame.loc["nanoadam", "acc"] == pytest.approx(0.625)
    assert frame.loc["nanoadam", "acc_std"] == pytest.approx(0.0187082869)


def test_a_metric_that_a_row_does_not_have_is_a_dash():
    bare = summarise([a_result(a_spec("sgd"))])
    text = paper_formats.document(bare, Choice(("task_acc",)), "latex")
    assert r"sgd & -- \\" in text
