"""How an extra of nanocl is installed from where nanocl itself came from."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

NAME = "nanocl"
CHECKOUT = Path(__file__).parents[2]


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
