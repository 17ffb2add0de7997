"""Studies: experiments whose many small runs would be slow one by one, computed together; one folder a study.

A study keeps one JSON record for each setting in `<results>/studies/<study>/`, computes only the
settings that are missing, and draws its figures and tables from the records.

A protocol with a table `study` has the study of its name. Its package holds `run(root, workers,
tell, *, tier, seeds, force)`, which returns text for the terminal, and `listing(root, *, tier,
seeds)`.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import suite


def find(stream: str, catalogue: Catalogue) -> ModuleType | None:
    """The study of a protocol by the names that `--stream` takes, or None where it has none.

    Raises:
        UserError: An unknown name.
    """
    name, protocol = suite.find(stream, catalogue)
    if "study" not in protocol or stream.endswith(".toml"):
        return None
    return importlib.import_module(f"nanocl.studies.{name.replace('-', '_')}")
