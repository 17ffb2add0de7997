from dataclasses import replace

import made_boards
import pytest
import small_runs
from making import a_result, a_spec

from nanocl.boards import names
from nanocl.protocols.pinning import pin
from nanocl.records import UserError, store
from nanocl.reporting.tables import file_stem


def test_the_name_of_a_board_is_that_of_its_tables_without_the_hash_of_the_protocol():
    spec = a_spec()
    assert names.name_of(spec) == "split-digits-cpu-class"
    assert file_stem(spec) == f"split-digits-cpu-class-{spec.protocol_hash}"


@pytest.mark.parametrize("text", [made_boards.NAME, "split-digits", "split-digits-class"])
def test_a_board_is_found_by_its_name_and_by_its_short_forms(root, text):
    assert [row.strategy for row in names.rows_of(text, root)] == ["adam", "adamw", "sgd"]


def test_an_unknown_name_is_answered_by_the_nearest(root):
    with pytest.raises(UserError, match="did you mean 'split-digits-cpu-class'"):
        names.rows_of("split-digits-cpu-clas", root)
    with pytest.raises(UserError, match="did you mean 'split-digits-cpu-class'"):
        names.rows_of("plit-digits-cpu-class", root)


def test_a_name_of_several_protocols_is_refused_with_all_of_them(root):
    other = a_spec(epochs=2)
    store.save(a_result(other), root)
    with pytest.raises(UserError) as refusal:
        names.rows_of(made_boards.NAME, root)
    assert file_stem(other) in str(refusal.value) and file_stem(a_spec()) in str(refusal.value)
    assert len(names.rows_of(file_stem(other), root)) == 1


def test_of_several_protocols_of_one_name_the_present_one_is_meant(tmp_path):
    (spec,) = pin([small_runs.spec("sgd")], None)
    other = replace(spec, training=replace(spec.training, epochs=9))
    for run in (spec, other):
        store.save(a_result(run), tmp_path)
    (row,) = names.rows_of("split-digits", tmp_path)
    assert row.protocol_hash == spec.protocol_hash
    (row,) = names.rows_of(file_stem(other), tmp_path)
    assert row.protocol_hash == other.protocol_hash


def test_a_board_with_a_damaged_record_is_refused_with_its_path(root):
    path = made_boards.record(root)
    path.write_text(path.read_text().replace("0.7", "0.8", 1))
    with pytest.raises(UserError, match=f"{path.name}: its content does not match"):
        names.rows_of(made_boards.NAME, root)


def test_without_records_the_error_says_what_makes_some(tmp_path):
    with pytest.raises(UserError, match="no records of a board"):
        names.rows_of("split-mnist", tmp_path)


def test_a_sweep_is_no_board(tmp_path):
    store.save(a_result(a_spec(options_from="sweep")), tmp_path)
    with pytest.raises(UserError, match="split-digits-cpu-class is a sweep"):
        names.rows_of("split-digits", tmp_path)
