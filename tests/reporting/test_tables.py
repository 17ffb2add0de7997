import csv
import io

import pandas
import pytest
from making import MATRIX, a_result, a_spec, shifted

from nanocl.reporting import comma_separated, metrics, ranking, tables
from nanocl.reporting.tables import summarise


def runs(strategy="sgd", seeds=3, matrix=MATRIX, **options):
    return [
        a_result(a_spec(strategy, seed, **options), shifted(seed / 100, matrix))
        for seed in range(seeds)
    ]


def read_csv(text):
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("format", ["markdown", "latex", "text"])
@pytest.mark.parametrize("kind", metrics.KINDS)
def test_above_each_table_stand_the_protocol_and_its_hash(kind, format):
    rows = summarise(runs())
    shown = tables.render(rows, kind, format).replace("\n    ", " ")
    for words in (
        rows[0].protocol_hash,
        "split-digits, tier cpu, class-incremental",
        "experiences=3",
        "width=400",
        "epochs 1, batch size 32",
        "0123456789abcdef",
        "(official)",
        "seeds: 0 to 2",
    ):
        assert words in shown, words


def test_two_protocols_never_share_a_table():
    rows = summarise([*runs(), *runs(epochs=2)])
    with pytest.raises(ValueError, match="must share a protocol"):
        tables.table(rows, "accuracy")
    shown = tables.render(rows, "accuracy", "markdown")
    assert shown.count("## Accuracy and forgetting") == 2
    assert all(shown.count(f"`{row.protocol_hash}`") == 1 for row in rows)


def test_cells_are_mean_and_interval_or_deviation_over_seeds_in_percent():
    table = tables.table(summarise(runs()), "accuracy")
    (row,) = table.rows
    cells = dict(zip(table.header, row, strict=True))
    assert (
        cells["ACC"] == "61.00 [58.52, 63.48]"
        and cells["LA"] == "81.00 [78.52, 83.48]"
        and cells["F"] == "30.00 [30.00, 30.00]"
        and cells["BWT"] == "-30.00 ± 0.00"
    )
    assert table.header[3:6] == ("ACC", "LA", "F")
    assert (
        cells["strategy"] == "sgd" and cells["seeds"] == "3" and cells["options from"] == "default"
    )


def test_losses_are_shown_as_they_are_and_explained():
    results = [a_result(a_spec(), ((0.5, 3.0), (2.0, 0.125)), initial=(4.0, 4.0), measure="loss")]
    table = tables.table(summarise(results), "accuracy")
    cells = dict(zip(table.header, table.rows[0], strict=True))
    assert cells["ACC"] == "1.062" and cells["F"] == "1.500"
    assert any("lower is better" in line for line in table.below)


def test_an_undefined_metric_is_a_dash_with_its_reason_below():
    table = tables.table(summarise([a_result(a_spec(), ((0.9,),), initial=(0.1,))]), "accuracy")
    cells = dict(zip(table.header, table.rows[0], strict=True))
    assert cells["F"] == cells["FWT"] == cells["gap to joint"] == "-"
    assert "`-` in F: forgetting needs 2 experiences, the stream has 1" in table.below
    assert any(
        line.startswith("`-` in gap to joint: ") and "joint training" in line
        for line in table.below
    )


def test_every_shown_column_is_defined_below_with_its_source():
    for kind in metrics.KINDS:
        table = tables.table(summarise(runs()), kind)
        for column in metrics.columns(kind):
            if column.title in table.header:
                line = next(line for line in table.below if line.startswith(f"{column.title}: "))
                assert column.definition in line
    line = next(
        line for line in tables.table(summarise(runs()), "accuracy").below if line.startswith("F: ")
    )
    assert "Chaudhry et al., 2018, arXiv:1801.10112" in line


def test_the_task_incremental_view_has_a_column_where_it_was_measured():
    assert "task-IL ACC" not in tables.table(summarise(runs()), "accuracy").header
    table = tables.table(summarise([a_result(masked=shifted(0.2)), *runs("adam")]), "accuracy")
    assert [dict(zip(table.header, row, strict=True))["task-IL ACC"] for row in table.rows] == [
        "-",
        "80.00",
    ]


def test_diverged_runs_show_as_k_of_n():
    results = [*runs(seeds=2), a_result(a_spec(seed=2), (), status="diverged")]
    table = tables.table(summarise(results), "cost")
    cells = dict(zip(table.header, table.rows[0], strict=True))
    assert (cells["seeds"], cells["diverged"]) == ("2", "1/3")
    lost = tables.table(summarise(results[2:]), "accuracy")
    assert dict(zip(lost.header, lost.rows[0], strict=True))["ACC"] == "-"
    assert "1/3" in tables.text(summarise(results))


def test_drift_has_a_row_for_each_group_of_weights_and_buffers_only_where_there_are_some():
    table = tables.table(summarise(runs()), "drift")
    assert [row[table.header.index("weights")] for row in table.rows] == ["backbone", "head", "all"]


@pytest.mark.parametrize(("seeds", "said"), [(5, True), (6, False)])
def test_fewer_than_6_seeds_are_said_to_be_preliminary(seeds, said):
    below = tables.table(summarise(runs(seeds=seeds)), "accuracy").below
    assert ("preliminary: rows with fewer than 6 seeds are not tested" in below) is said


def by_seed(strategy, by, noise):
    """Eight runs whose noise differs between strategies."""
    values = [by + noise * (-1) ** (seed * len(strategy) // 2) for seed in range(8)]
    return [a_result(a_spec(strategy, seed), shifted(v)) for seed, v in enumerate(values)]


@pytest.mark.parametrize(("noise", "bold"), [(0.001, True), (0.2, False)])
def test_latex_prints_the_best_score_in_bold_only_where_it_is_separable_from_the_second(
    noise, bold
):
    rows = summarise([*by_seed("bb", 0.1, noise), *by_seed("ccc", 0.0, noise)])
    page = tables.document(rows, "latex")
    assert page.count(r"\textbf{") == bold
    line = next(line for line in page.splitlines() if line.startswith("bb "))
    assert (r"& \textbf{70.00 [" in line) is bold
    few = [run for row in rows for run in row.results if run.spec.seed < 5]
    assert r"\textbf" not in tables.document(summarise(few), "latex"), "5 seeds are not tested"


def test_bold_is_the_score_that_the_protocol_names(monkeypatch):
    toy = {"stream": {"family": "split"}, "score": "average_incremental_accuracy"}
    monkeypatch.setattr(ranking, "protocols", lambda: {"split-digits": toy})
    rows = summarise([*by_seed("bb", 0.1, 0.001), *by_seed("ccc", 0.0, 0.001)])
    table = tables.table(rows, "accuracy")
    row, column = table.bold
    assert (table.rows[row][0], table.header[column]) == ("bb", "AIA")


def test_the_bands_of_a_tested_board_stand_in_its_accuracy_table_in_every_format_that_people_read():
    rows = summarise([*by_seed("bb", 0.1, 0.001), *by_seed("ccc", 0.0, 0.001), *by_seed("d", 0, 0)])
    table = tables.table(rows, "accuracy")
    place = table.header.index("band")
    assert [row[place] for row in table.rows] == ["a", "b", "b"] and place < table.names
    assert "band" not in tables.table(rows, "cost").header
    assert "band" not in tables.table(summarise(runs()), "accuracy").header
    for format in ("markdown", "latex", "text"):
        assert "band: rows that share a letter are not separable" in tables.render(
            rows, "accuracy", format
        ).replace("\n    ", " ")


def test_every_table_says_what_its_board_separates_and_which_rows_are_untuned():
    rows = summarise([*by_seed("bb", 0.1, 0.001), *by_seed("ccc", 0.0, 0.001)])
    for format in ("markdown", "latex", "text"):
        page = tables.render(rows, "accuracy", format)
        assert "separable pairs: 1 of 1 (D = 1.00)" in page, format
        assert "untuned: bb, ccc run with default options" in page, format
    assert tables.text(rows).count("separable pairs: 1 of 1") == 1
    caption = next(
        line for line in tables.document(rows, "latex").splitlines() if "caption" in line
    )
    assert "split-digits, tier cpu, class-incremental; protocol" in caption


def test_pandas_reads_the_csv_of_every_kind_and_protocol_without_arguments():
    rows = summarise([*runs(), a_result(a_spec(protocol="other"))])
    frame = pandas.read_csv(io.StringIO(tables.document(rows, "csv")))
    assert tuple(frame.columns) == comma_separated.HEADER
    assert set(frame["kind"]) == set(metrics.KINDS)
    assert set(frame["protocol_hash"].astype(str)) == {row.protocol_hash for row in rows}
    first = frame[(frame["protocol_hash"] == rows[0].protocol_hash)].set_index("metric")
    accuracies = rows[0].columns["average_accuracy"]
    assert first["mean"]["average_accuracy"] == pytest.approx(sum(accuracies) / len(accuracies))


def test_terminal_text_stays_within_its_width_and_names_options_in_footnotes():
    rows = summarise([*runs(), *runs("ewc+adam", strength=123.0)])
    for width in (80, 120):
        assert max(map(len, tables.text(rows, width).splitlines())) <= width
    assert "ewc+adam [1]" in tables.text(rows) and "\n[1] ewc.strength=123.0\n" in tables.text(rows)


def test_the_same_rows_give_the_same_text_whatever_the_order_of_the_records():
    results = [*runs(), *runs("adam"), *runs("joint"), *runs(epochs=3)]
    for format in (*tables.FORMATS,):
        assert tables.document(summarise(results), format) == tables.document(
            summarise(results[::-1]), format
        )


@pytest.mark.parametrize(
    ("kind", "format", "words"),
    [("speed", "text", "kind must be"), ("cost", "html", "format must be")],
)
def test_an_unknown_kind_or_format_is_named(kind, format, words):
    with pytest.raises(ValueError, match=words):
        tables.render(summarise(runs()), kind, format)


def test_names_from_a_record_cannot_lead_out_of_the_tables_folder():
    assert "/" not in tables.file_stem(a_spec(protocol="../../etc/x"))


def test_the_pages_are_the_tables_of_each_protocol_in_every_format(tmp_path):
    rows = summarise([*runs(), *runs(epochs=2)])
    pages = tables.pages(rows, tmp_path)
    assert len(pages) == 2 * len(tables.FORMATS) and tables.pages([], tmp_path) == {}
    assert all(tables.GENERATED_NAME.fullmatch(path.name) for path in pages)
