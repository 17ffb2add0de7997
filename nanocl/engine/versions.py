"""What must be equal on every machine of a cluster, so that each run has the same numbers."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import nanocl

PACKAGES = ("torch", "avalanche-lib", "numpy", "numba")


@cache
def versions() -> dict[str, str]:
    """The versions of Python, of nanocl with a hash of its code, and of what it trains with."""
    return {
        "python": platform.python_version(),
        "nanocl": f"{nanocl.__version__} (code {_code()})",
        **{name: _version(name) for name in PACKAGES},
    }


def difference(here: Mapping[str, str], there: Mapping[str, str]) -> str:
    """What another machine has of other versions, in words; empty if nothing."""
    others = [
        f"{name} {there.get(name, 'missing')} instead of {wanted}"
        for name, wanted in here.items()
        if there.get(name) != wanted
    ]
    return ", ".join(others)


def _version(package: str) -> str:
    """Without the part after `+`, which names the build for a kind of GPU."""
    try:
        return version(package).partition("+")[0]
    except PackageNotFoundError:
        return "missing"


def _code() -> str:
    """A hash of the Python files of the package."""
    package = Path(nanocl.__file__).parent
    content = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        content.update(path.relative_to(package).as_posix().encode())
        content.update(path.read_bytes())
    return content.hexdigest()[:8]
