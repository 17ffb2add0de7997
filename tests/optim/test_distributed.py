"""Training and checkpoints on two gloo processes: sharded (FSDP2), replicated (DDP), ZeRO."""

import pytest
from distributed_runs import (
    load,
    load_in_another_form,
    load_in_another_number_of_processes,
    round_trip,
    save,
    spawn,
    train_replicas,
    train_sharded,
    train_uneven_shards,
    train_with_zero,
)

pytestmark = pytest.mark.slow


def test_sharded_training_is_that_of_one_process_where_no_chunk_lies_in_two_shards():
    spawn(train_sharded, 2)


def test_uneven_and_empty_shards_train():
    spawn(train_uneven_shards, 2)


def test_get_and_set_optimizer_state_dict_resume_bit_for_bit():
    spawn(round_trip, 2)


def test_forms_of_a_state_dict_that_know_no_shards_are_refused_when_loaded():
    spawn(load_in_another_form, 2)


def test_a_distributed_checkpoint_resumes_in_new_processes_bit_for_bit(tmp_path):
    spawn(save, 2, tmp_path)
    spawn(load, 2, tmp_path)
    spawn(load_in_another_number_of_processes, 1, tmp_path)


def test_distributed_data_parallel_is_training_in_one_process():
    spawn(train_replicas, 2)


def test_zero_redundancy_is_training_in_one_process_and_resumes_bit_for_bit():
    spawn(train_with_zero, 2)
