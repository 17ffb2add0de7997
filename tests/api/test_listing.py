"""What can be named in `nanocl.run` is what the command lists."""

import pytest

import nanocl
from nanocl.cli import listing
from nanocl.plugins.catalogue import INSTALLED


def test_every_plugin_that_the_command_lists_is_listed():
    text = listing.plugins(INSTALLED)
    listed = nanocl.list_plugins()
    assert {one["kind"] for one in listed} == {"protocols", "strategies", "streams", "models"}
    names = [one["name"] for one in listed]
    shown = [line.split()[0].rstrip(",") for line in text.splitlines() if line[:2] == "  "]
    assert {name for name in shown if name in names} == set(names)
    assert len([line for line in text.splitlines() if line[:2] == "  " and line[2] != " "]) == (
        len(names) + 1  # and one line on pretraining
    )


def test_a_kind_alone_has_its_options_and_scenarios(tmp_path):
    (adamw,) = [one for one in nanocl.list_plugins("strategies") if one["name"] == "adamw"]
    assert adamw["options"]["lr"] == 0.001 and "class" in adamw["scenarios"]
    (digits,) = [one for one in nanocl.list_plugins("protocols") if one["name"] == "split-digits"]
    assert digits["tiers"] == ("smoke", "cpu", "paper") and digits["scenarios"] == ("domain",)
    with pytest.raises(nanocl.UserError, match="kind must be one of protocols, strategies"):
        nanocl.list_plugins("strategy")


def test_a_plugin_of_the_caller_is_listed_with_its_file(tmp_path):
    file = tmp_path / "my_net.py"
    file.write_text("from torch import nn\nclass Net(nn.Sequential):\n    'Mine.'\n")
    (own,) = [one for one in nanocl.list_plugins("models", plugin=[file]) if one["file"]]
    assert (own["name"], own["summary"], own["file"]) == ("my-net", "Mine.", str(file))
