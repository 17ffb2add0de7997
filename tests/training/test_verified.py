"""A file of training state is read only if it is what was written."""

import pytest
import torch

from nanocl.training import verified

IDENTITY = {"schema": "test/1", **verified.versions("cpu")}


def test_what_was_written_is_read_back(tmp_path):
    state = {"weights": torch.arange(3.0), "steps": [1, 2], "name": "a"}
    verified.write(tmp_path / "state.pt", IDENTITY, state)
    again = verified.read(tmp_path / "state.pt", IDENTITY)
    assert torch.equal(again.pop("weights"), state.pop("weights")) and again == state


@pytest.mark.parametrize("name", IDENTITY)
def test_a_file_that_belongs_to_something_else_is_refused_with_both_values(tmp_path, name):
    verified.write(tmp_path / "state.pt", {**IDENTITY, name: "another"}, {})
    with pytest.raises(verified.Unusable, match=f"its {name} is another, expected"):
        verified.read(tmp_path / "state.pt", IDENTITY)


def test_code_in_a_file_is_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return print, ("run",)

    verified.write(tmp_path / "state.pt", IDENTITY, {"evil": Evil()})
    with pytest.raises(verified.Unusable, match="more than tensors and plain values"):
        verified.read(tmp_path / "state.pt", IDENTITY)


def test_a_value_that_cannot_be_saved_is_named_and_nothing_is_written(tmp_path):
    with pytest.raises(verified.Unsavable):
        verified.write(tmp_path / "state.pt", IDENTITY, {"made": lambda: 0})
    assert not list(tmp_path.iterdir())
