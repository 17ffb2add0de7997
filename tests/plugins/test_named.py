"""Names of classes in files and modules, told apart from names of plugins."""

from pathlib import Path

import pytest

from nanocl.plugins.named import all_references, file_of, name_of, references

KNOWN = {"ewc", "adamw", "torch", "pytorch-optimizer"}


@pytest.mark.parametrize(
    ("text", "name", "found"),
    [
        ("dir/my_lion.py:Lion", "my-lion:Lion", ["dir/my_lion.py:Lion"]),
        ("my_lion.py", "my-lion", ["my_lion.py"]),
        ("ewc+lion.py:Lion", "ewc+lion:Lion", ["lion.py:Lion"]),
        ("torch.optim:RAdam", "torch.optim:RAdam", ["torch.optim:RAdam"]),
        ("avalanche:GEMPlugin+adamw", "avalanche:GEMPlugin+adamw", ["avalanche:GEMPlugin"]),
        # plugins, and what is neither
        ("torch:Muon", "torch:Muon", []),
        ("ewc+adamw", "ewc+adamw", []),
        ("no-such-package:Lion", "no-such-package:Lion", []),
    ],
)
def test_a_part_is_a_plugin_a_file_or_a_module(text, name, found):
    assert references(text, KNOWN) == (name, found)


def test_each_reference_is_read_once():
    names, found = all_references(["a.py:A+ewc", "a.py:A+adamw", "a.py:B"], KNOWN)
    assert names == ("a:A+ewc", "a:A+adamw", "a:B")
    assert found == (Path("a.py:A"), Path("a.py:B"))


def test_a_path_needs_no_class():
    assert file_of("some/file.py") == (Path("some/file.py"), "") and name_of("x/y_z.py") == "y-z"
    assert file_of("some/folder") == (Path("some/folder"), "")
    assert file_of("a.b:C") == (None, "C")
