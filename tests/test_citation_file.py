"""CITATION.cff says what the package is."""

from pathlib import Path

import pytest

from nanocl import __version__
from nanocl.reporting import citation

yaml = pytest.importorskip("yaml", reason="PyYAML reads the CITATION.cff")
FILE = Path(__file__).parents[1] / "CITATION.cff"


def test_the_citation_file_has_what_the_format_requires_and_the_version_of_the_package():
    values = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors", "abstract", "license"} <= set(values)
    assert values["version"] == __version__ and values["type"] == "software"
    assert values["date-released"] == citation.DATE
    preferred = values["preferred-citation"]
    assert preferred["version"] == __version__ and str(preferred["year"]) == citation.DATE[:4]
    assert {values["title"], preferred["title"]} == {
        citation.TITLE.replace("{", "").replace("}", "")
    }
