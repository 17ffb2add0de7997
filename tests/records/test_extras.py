"""An extra is installed from where nanocl came from."""

import json
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
