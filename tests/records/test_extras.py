"""An extra is installed from where nanocl came from."""

import json
import logging
import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import pytest

from nanocl.records import extras

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("origin", "command"),
    [  # as pip writes them, https://packaging.python.org/specifications/direct-url
        (
            {"url": "file:///home/me/my%20nanocl", "dir_info": {"editable": True}},
            "pip install -e '/home/me/my nanocl[tune]'",
        ),
        ({"url": "file:///src/nanocl", "dir_info": {}}, "pip install '/src/nanocl[tune]'"),
        (
            {
                "url": "https://example.org/nanocl.git",
                "vcs_info": {"vcs": "git", "commit_id": COMMIT},
            },
            f"pip install 'nanocl[tune] @ git+https://example.org/nanocl.git@{COMMIT}'",
        ),
        (
            {"url": "file:///tmp/nanocl-1.0-py3-none-any.whl", "archive_info": {}},
            "pip install 'nanocl[tune] @ file:///tmp/nanocl-1.0-py3-none-any.whl'",
        ),
    ],
)
def test_the_command_names_the_folder_the_address_or_the_wheel(monkeypatch, origin, command):
    class Installed:
        def read_text(self, name):
            return json.dumps(origin) if name == "direct_url.json" else None

    monkeypatch.setattr(extras, "distribution", lambda name: Installed())
    assert extras.command("tune") == command


def test_from_an_index_the_name_is_enough_and_a_checkout_is_its_own_origin(monkeypatch):
    class FromIndex:
        def read_text(self, name):
            return None

    monkeypatch.setattr(extras, "distribution", lambda name: FromIndex())
    assert extras.command("ray") == "pip install 'nanocl[ray]'"

    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(extras, "distribution", missing)
    assert extras.command("ray") == f"pip install -e '{extras.CHECKOUT}[ray]'"
    assert (extras.CHECKOUT / "nanocl" / "records" / "extras.py").exists()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package whose import logs a line that is left out, and two that are problems."""
    (tmp_path / "noisy_package.py").write_text(
        "import logging\n"
        "one = logging.getLogger('torch.utils._pytree')\n"
        "one.warning('%s is an Enum subclass and is now natively supported by ...', 'X')\n"
        "one.warning('a leaf cannot be registered')\n"
        "logging.getLogger('bitsandbytes').warning('no CUDA library was found')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield "noisy_package"
    sys.modules.pop("noisy_package", None)


def test_an_import_leaves_out_the_known_lines_only(package, caplog):
    extras.load(package)
    assert caplog.messages == ["a leaf cannot be registered", "no CUDA library was found"]
    logging.getLogger("torch.utils._pytree").warning(
        "X is an Enum subclass and is now natively supported"
    )
    assert len(caplog.messages) == 3, "after the import nothing is left out"


def test_an_import_that_fails_says_so():
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        extras.load("no_such_package")


@pytest.mark.parametrize("name", ["torchao.optim", "peft", "bitsandbytes.optim"])
def test_the_packages_that_runs_import_log_nothing(name):
    pytest.importorskip(name.partition(".")[0])
    code = f"from nanocl.records import extras; extras.load({name!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
