"""Tables and CSV hold the bytes of each optimizer and the paper's accounting."""

import csv
import io

import pytest

from nanocl.footprint import models, paper
from nanocl.footprint.tables import as_csv, exact_table, paper_table, requirements
from nanocl.plugins.catalogue import Catalogue

WEIGHTS = models.weights_of("mlp")
ENTRIES = sum(weight.numel for weight in WEIGHTS)
MIB = 2**20


def needed(names, settings=None, dtype="float32"):
    return requirements(WEIGHTS, names, settings or {}, dtype, Catalogue())


def test_every_combination_of_settings_has_a_requirement():
    settings = {"nanoadam": {"density": ["0.1", "0.2"], "dense": ["none", "head"]}}
    options = [one.options for one in needed(["adam", "nanoadam"], settings)]
    assert options == [
        "",
        "density=0.1 dense=none",
        "density=0.1 dense=head",
        "density=0.2 dense=none",
        "density=0.2 dense=head",
    ]


def test_the_defaults_that_decide_the_state_are_named_and_no_others():
    nanoadam, lift, lora = needed(["nanoadam", "lift", "lora"], {"nanoadam": {"density": ["0.1"]}})
    assert "density" not in nanoadam.defaults and "chunk_size=32768" in nanoadam.defaults
    assert "lr" not in lora.defaults and "rank=8" in lora.defaults
    assert "rank" not in lift.defaults, "its rank decides which entries, not how many"


def test_the_exact_table_has_sizes_in_one_unit_and_bytes_a_parameter():
    (sgd,) = needed(["sgd-momentum"], dtype="bfloat16")
    table = exact_table("mlp", WEIGHTS, [sgd], "bfloat16")
    size = f"{2 * ENTRIES / MIB:.4g}"
    assert table.header[2:] == (
        "weights MiB",
        "gradients MiB",
        "state MiB",
        "total MiB",
        "state B/p",
        "total B/p",
    )
    assert table.rows == (
        ("sgd-momentum", "", size, size, size, f"{6 * ENTRIES / MIB:.4g}", "2", "6"),
    )
    assert table.above[0].startswith(f"mlp: {ENTRIES:,} parameters (norms 0, output layer ")


def test_the_paper_table_has_a_row_for_each_account():
    accounts = paper.accounts(WEIGHTS)
    table = paper_table(WEIGHTS)
    assert [row[0] for row in table.rows] == [account.optimizer for account in accounts]
    assert table.rows[0][2] == f"{accounts[0].bytes / MIB:.4g}"


def test_a_line_of_the_csv_adds_up():
    text = as_csv("mlp", needed(["adam"]), paper.accounts(WEIGHTS), "float32")
    exact, counted, run = list(csv.DictReader(io.StringIO(text)))[:3]
    parts = [int(exact[f"{part}_bytes"]) for part in ("weights", "gradients", "state")]
    assert sum(parts) == int(exact["total_bytes"]) and parts[0] == 4 * ENTRIES
    assert (counted["accounting"], run["accounting"]) == ("paper", "paper as run")
    assert int(counted["state_bytes"]) == 4 * ENTRIES


def test_a_large_model_is_measured_in_gib():
    weights = models.weights_of("llama-2-7b")
    large = requirements(weights, ["sgd"], {}, "float32", Catalogue())
    table = exact_table("llama-2-7b", weights, large, "float32")
    assert table.header[2] == "weights GiB"
    assert float(table.rows[0][2]) == pytest.approx(4 * 6_738_415_616 / 2**30, rel=1e-3)
