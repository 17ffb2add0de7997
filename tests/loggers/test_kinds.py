"""Loggers by name, and the sentence for a library that is missing."""

import sys

import pytest

from nanocl.loggers import kinds
from nanocl.records import UserError
from nanocl.records.curves import LOGGERS


@pytest.mark.parametrize("name", [name for name in LOGGERS if name != "csv"])
def test_a_missing_library_is_one_sentence_with_the_command_that_installs_it(
    name, tmp_path, monkeypatch
):
    for module in [name, *(one for one in sys.modules if one.startswith(f"{name}."))]:
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, f"nanocl.loggers.{name}", raising=False)
    with pytest.raises(UserError, match=rf"--log {name} needs the package {name}; .*\[{name}\]"):
        kinds.kind(name, tmp_path)


def test_every_logger_that_the_command_names_is_there(tmp_path):
    assert sorted(kinds._MODULES) == sorted(LOGGERS)
    assert kinds.kind("csv", tmp_path).look
