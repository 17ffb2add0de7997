"""Fixtures for tests of data sets."""

import socket

import pytest

from nanocl.data import sources


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """A user's cache folder for this test alone, and no data sets of Debian."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))
    monkeypatch.setattr(sources, "DEBIAN", tmp_path / "debian")


@pytest.fixture
def cached(tmp_path):
    """Lists the decoded copies below the test's folder."""
    return lambda: sorted(path.name for path in tmp_path.rglob("*.safetensors"))


@pytest.fixture
def no_network(own_cache, monkeypatch):
    """Every look-up of a name fails, as on a machine without network."""

    def refuse(host, *args, **kwargs):
        if host in ("127.0.0.1", "localhost"):
            return original(host, *args, **kwargs)
        raise socket.gaierror(-2, "Name or service not known")

    original = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("no_proxy", "*")
