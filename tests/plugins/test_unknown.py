"""A name of no plugin: the error says what stands in its place."""

import pytest

from nanocl.plugins.catalogue import Catalogue, UnknownPlugin
from nanocl.protocols.suite import find
from nanocl.records import UserError

FILES = {
    "strategies": "from nanocl.strategies import Strategy\nclass Mine(Strategy):\n    'Mine.'\n",
    "streams": "from nanocl.streams import Stream\nclass Mine(Stream):\n    'Mine.'\n",
    "models": "from torch import nn\nclass Mine(nn.Module):\n    'Mine.'\n",
}
WORDS = {"strategies": "strategy", "streams": "stream", "models": "model"}


@pytest.mark.parametrize("asked", WORDS)
@pytest.mark.parametrize("held", WORDS)
def test_a_file_of_another_kind_is_named_with_its_kind_and_the_option_for_it(tmp_path, asked, held):
    if asked == held:
        return
    path = tmp_path / "net.py"
    path.write_text(FILES[held])
    expected = rf"net\.py holds a {WORDS[held]} \(Mine\), no {WORDS[asked]}; name it with "
    with pytest.raises(UnknownPlugin, match=f"{expected}--{WORDS[held]}$"):
        Catalogue([path]).plugin(asked, "net")
    if asked == "streams":
        with pytest.raises(UnknownPlugin, match=expected):
            find("net", Catalogue([path]))


@pytest.mark.parametrize(
    ("kind", "hint"),
    [
        ("strategies", "--strategy takes a name or FILE.py$"),
        ("streams", "FILE.toml; class folders in it are read by .* --set stream.data=mine$"),
        ("models", "an encoder in it is read by --model transformers:mine$"),
    ],
)
def test_a_folder_or_another_file_in_place_of_a_name_is_called_so(
    tmp_path, monkeypatch, kind, hint
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    with pytest.raises(UnknownPlugin, match=f"'mine' is a folder; .*{hint}"):
        Catalogue().plugin(kind, "mine")
    (tmp_path / "notes").write_text("")
    with pytest.raises(UnknownPlugin, match=r"'notes' is a file without \.py; --"):
        Catalogue().plugin(kind, "notes")


def test_any_other_name_has_the_nearest_one():
    with pytest.raises(UnknownPlugin, match="unknown strategy 'nanadam'; did you mean 'nanoadam'"):
        Catalogue().plugin("strategies", "nanadam")


@pytest.mark.parametrize("name", ["", "x" * 5000, "a\0b"])
def test_a_text_that_no_file_can_have_as_its_name_is_unknown(name):
    with pytest.raises(UnknownPlugin, match="unknown strategy "):
        Catalogue().plugin("strategies", name)


@pytest.mark.parametrize("reference", ["lion.txt", "lion.txt:Lion"])
def test_a_plugin_file_has_the_ending_of_python(tmp_path, monkeypatch, reference):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lion.txt").write_text(FILES["strategies"].replace("Mine", "Lion"))
    with pytest.raises(UserError, match=r"lion\.txt must be Python with a name that ends in \.py$"):
        Catalogue([reference])


def test_of_several_bare_classes_in_a_file_each_is_offered_by_its_name(tmp_path):
    path = tmp_path / "two.py"
    optimizer = "class {}(torch.optim.Optimizer):\n    'Mine.'\n"
    path.write_text("import torch\n" + "".join(map(optimizer.format, "AB")))
    with pytest.raises(UserError, match=r"two\.py:A or .*two\.py:B$"):
        Catalogue([path])
