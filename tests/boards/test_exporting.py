import csv
import io
import json

import jsonschema
import made_boards
import pytest
from making import a_result, a_spec, shifted

from nanocl.boards import exporting, names
from nanocl.records import store
from nanocl.reporting.summaries import summarise

# the rules of Every Eval Ever 0.2.1 for what is written here
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
CONTINUOUS = {"required": ["min_score", "max_score"]}
RESULT = {
    "type": "object",
    "required": ["evaluation_name", "source_data", "metric_config", "score_details"],
    "properties": {
        "source_data": {
            "required": ["dataset_name", "source_type"],
            "properties": {"source_type": {"const": "other"}, "additional_details": TEXTS},
        },
        "metric_config": {
            "required": ["lower_is_better"],
            "properties": {
                "lower_is_better": {"type": "boolean"},
                "min_score": {"type": "number"},
                "max_score": {"type": "number"},
            },
            "if": {"properties": {"score_type": {"const": "levels"}}},
            "then": {"required": ["level_names"]},
            "else": CONTINUOUS,
        },
        "score_details": {
            "required": ["score"],
            "properties": {"uncertainty": {"properties": {"num_samples": {"type": "integer"}}}},
        },
    },
}
TOP = ["schema_version", "evaluation_id", "retrieved_timestamp", "source_metadata", "model_info"]
EEE = {
    "type": "object",
    "additionalProperties": False,
    "required": [*TOP, "eval_library", "evaluation_results"],
    "properties": {
        **{name: {} for name in TOP},
        "retrieved_timestamp": {"type": "string", "pattern": r"^\d+$"},
        "source_metadata": {
            "required": ["source_type", "source_organization_name", "evaluator_relationship"],
            "properties": {
                "source_type": {"enum": ["documentation", "evaluation_run"]},
                "evaluator_relationship": {
                    "enum": ["first_party", "third_party", "collaborative", "other"]
                },
            },
        },
        "model_info": {"required": ["name", "id"], "properties": {"additional_details": TEXTS}},
        "eval_library": {"required": ["name", "version"]},
        "evaluation_results": {"type": "array", "minItems": 1, "items": RESULT},
    },
}


@pytest.fixture
def rows(root):
    return names.rows_of(made_boards.NAME, root)


def loss_rows():
    runs = [a_result(a_spec(seed=seed), shifted(seed / 9), measure="loss") for seed in range(2)]
    return summarise(runs)


def test_every_learner_is_a_valid_entry_of_every_eval_ever(rows):
    files = exporting.eee(rows)
    assert sorted(files) == ["adam.json", "adamw.json", "sgd.json"]
    for text in (*files.values(), *exporting.eee(loss_rows()).values()):
        jsonschema.Draft7Validator(EEE).validate(json.loads(text))


def test_the_score_has_its_standard_error_and_its_direction(rows):
    entry = json.loads(exporting.eee(rows)["adam.json"])
    results = {one["evaluation_name"].split(": ")[1]: one for one in entry["evaluation_results"]}
    values = next(row for row in rows if row.strategy == "adam").columns["average_accuracy"]
    mean = sum(values) / len(values)
    deviation = (sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5
    details = results["ACC"]["score_details"]
    assert details["score"] == pytest.approx(mean, abs=1e-12)
    error = details["uncertainty"]["standard_error"]["value"]
    assert error == pytest.approx(deviation / len(values) ** 0.5, rel=1e-9)
    directions = {name: one["metric_config"]["lower_is_better"] for name, one in results.items()}
    assert directions == {"ACC": False, "LA": False, "F": True, "BWT": False}


def test_of_losses_lower_is_better_and_backward_transfer_is_not():
    entry = json.loads(next(iter(exporting.eee(loss_rows()).values())))
    directions = [one["metric_config"]["lower_is_better"] for one in entry["evaluation_results"]]
    assert directions == [True, True, True, False]


def test_a_run_is_a_result_of_peft_without_its_key_for_cross_entropy(rows):
    files = exporting.peft(rows)
    assert len(files) == 3 * made_boards.SEEDS and "adam--seed0.json" in files
    for text in files.values():
        value = json.loads(text)
        assert {"run_info", "train_info", "meta_info"} == set(value)
        (metrics,) = value["train_info"]["metrics"]
        assert value["train_info"]["status"] == "success" and "test accuracy" in metrics
        assert '"forgetting"' not in text and "accuracy forgetting" in metrics


def test_a_diverged_run_is_a_failed_result_and_a_line_without_value(root):
    store.save(a_result(a_spec("lwf", 0), status="diverged"), root)
    rows = names.rows_of(made_boards.NAME, root)
    value = json.loads(exporting.peft(rows)["lwf--seed0.json"])
    assert (value["run_info"]["error_msg"], value["train_info"]["status"]) == ("diverged", "failed")
    lines = [line for line in csv.DictReader(io.StringIO(exporting.tidy(rows)))]
    diverged = [line for line in lines if line["learner"] == "lwf"]
    assert diverged and {line["value"] for line in diverged} == {""}


def test_the_tidy_table_has_the_value_of_every_run_with_every_bit(rows):
    lines = list(csv.DictReader(io.StringIO(exporting.tidy(rows))))
    told = {
        (line["learner"], int(line["seed"])): float(line["value"])
        for line in lines
        if line["metric"] == "average_accuracy"
    }
    assert told == {
        (row.strategy, seed): value
        for row in rows
        for seed, value in zip(row.seeds, row.columns["average_accuracy"], strict=True)
    }


def test_measures_do_not_share_a_name():
    (file,) = [text for name, text in exporting.peft(loss_rows()).items() if "seed0" in name]
    (metrics,) = json.loads(file)["train_info"]["metrics"]
    assert "average loss" in metrics and not any(
        "accuracy" in name for name in metrics if "learning" not in name
    )
