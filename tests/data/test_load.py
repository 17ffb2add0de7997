"""Loading checks its arguments, finds the data root, and loads no heavy library."""

import subprocess
import sys

import pytest
from pictures import pictures, write_zip

from nanocl import data
from nanocl.data import find_file, fingerprint, load
from nanocl.records import UserError
from nanocl.records.roots import Folders

pytestmark = pytest.mark.usefixtures("own_cache")


def test_the_package_loads_no_torch_and_no_image_library():
    code = (
        "import sys, nanocl.data; "
        "heavy = ('torch', 'PIL', 'scipy', 'sklearn', 'torchvision'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        == "[]\n"
    )


def test_the_default_root_follows_the_environment_then_the_folder_then_the_cache(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NANOCL_DATA_ROOT", raising=False)
    assert data.default_root() == tmp_path / "user-cache" / "nanocl" / "data"
    (tmp_path / "data").mkdir()
    assert data.default_root().absolute() == tmp_path / "data"
    monkeypatch.setenv("NANOCL_DATA_ROOT", str(tmp_path / "named"))
    assert data.default_root() == tmp_path / "named"


@pytest.mark.parametrize("size", [-1, 2.5, True, "64"])
def test_an_image_size_that_is_not_a_number_of_pixels_is_refused(tmp_path, size):
    with pytest.raises(UserError, match="image_size must be"):
        load("digits", tmp_path, image_size=size)


@pytest.mark.parametrize("name", ["", "..", "a/b", "/etc", ".nanocl", "a\\b"])
def test_a_name_that_is_a_path_is_refused(tmp_path, name):
    with pytest.raises(UserError, match="without path separators"):
        load(name, tmp_path)


def test_data_roots_are_searched_in_order_and_copies_go_into_the_first(tmp_path):
    first, second = (tmp_path / name for name in ("first", "second"))
    both = Folders((first, second))
    first.mkdir()
    write_zip(second / "insects.zip", pictures())
    assert fingerprint("insects", second) == fingerprint("insects", both)
    assert load("insects", both).classes == ("ant", "bee")
    assert [*first.rglob("*.safetensors")] == []  # the copy in the second is used
    write_zip(first / "insects.zip", pictures(classes=("cow", "dog")))
    assert load("insects", both).classes == ("cow", "dog")
    assert len([*first.rglob("*.safetensors")]) == 1
    assert load("insects", Folders((second, first))).classes == ("ant", "bee")
    (second / "a.pt").write_bytes(b"")
    assert find_file("a.pt", both) == second / "a.pt"


def test_a_file_is_searched_at_its_path_and_below_the_data_root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "root" / "weights").mkdir(parents=True)
    inside = tmp_path / "root" / "weights" / "a.pt"
    inside.write_bytes(b"")
    assert find_file("weights/a.pt", tmp_path / "root") == inside
    assert find_file(str(inside), tmp_path / "elsewhere") == inside
    assert find_file("root/weights/a.pt", tmp_path / "elsewhere").samefile(inside)
    assert find_file("weights/b.pt", tmp_path / "root") is None
    monkeypatch.setenv("NANOCL_DATA_ROOT", str(tmp_path / "root"))
    assert find_file("weights/a.pt") == inside
