"""Optional packages: how they are installed from where nanocl came from, and imported quietly."""

from __future__ import annotations

import importlib
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote, urlsplit

NAME = "nanocl"
CHECKOUT = Path(__file__).parents[2]
# Lines that importing a package logs, about what nothing here uses; by logger, a part of each.
# torchao (which transformers and peft import) registers enums in a way that a later torch will
# refuse: only a newer torchao can change that, and an import that fails still says so.
ENUMS = {"torch.utils._pytree": "is an Enum subclass and is now natively supported"}
# bitsandbytes lacks a faster kernel for weights of 4 bits on a CPU, which no run has
KERNELS = {"bitsandbytes.backends.cpu.ops": "Failed to load CPU gemm_4bit_forward"}


def load(module: str) -> ModuleType:
    """Import an optional package without the lines above; every other line is shown."""
    with quiet(ENUMS | KERNELS):
        return importlib.import_module(module)


@contextmanager
def quiet(lines: dict[str, str]) -> Iterator[None]:
    """Within the block, a logger leaves out the lines that contain its text."""
    filters = {name: _Without(text) for name, text in lines.items()}
    for name, one in filters.items():
        logging.getLogger(name).addFilter(one)
    try:
        yield
    finally:
        for name, one in filters.items():
            logging.getLogger(name).removeFilter(one)


class _Without(logging.Filter):
    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def filter(self, record: logging.LogRecord) -> bool:
        return self._text not in record.getMessage()


def command(extra: str) -> str:
    """The command that installs an extra: from the index, a git address, a wheel or a folder."""
    try:
        text = distribution(NAME).read_text("direct_url.json")
    except PackageNotFoundError:  # run from its source, without an installation
        return _of_folder(CHECKOUT, extra, editable=True)
    return command_of(json.loads(text), extra) if text else f"pip install '{NAME}[{extra}]'"


def command_of(origin: dict[str, Any], extra: str) -> str:
    """The command for an origin as pip notes it in `direct_url.json` (PEP 610)."""
    url = str(origin["url"])
    if "dir_info" in origin:
        folder = Path(unquote(urlsplit(url).path))
        return _of_folder(folder, extra, editable=bool(origin["dir_info"].get("editable")))
    version_control = origin.get("vcs_info")
    if version_control:
        commit = version_control.get("commit_id", "")
        url = f"{version_control['vcs']}+{url}" + (f"@{commit}" if commit else "")
    return f"pip install '{NAME}[{extra}] @ {url}'"


def _of_folder(folder: Path, extra: str, *, editable: bool) -> str:
    return f"pip install {'-e ' if editable else ''}'{folder}[{extra}]'"
