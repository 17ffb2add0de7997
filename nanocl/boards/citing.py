"""A version of a board as a citation: BibTeX, `CITATION.cff` and `.zenodo.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nanocl.reporting import citation, inert

AUTHORS = "The nanocl authors"
LICENSE = "MIT"
KEYWORDS = ("continual learning", "catastrophic forgetting", "optimizers", "benchmark")


@dataclass(frozen=True)
class Publication:
    """A version of a board with what is known of its publication.

    Attributes:
        manifest: Its manifest.
        identity: The SHA-256 of the manifest.
        date: `YYYY-MM-DD`, or empty.
        url: Where it is published, or empty.
    """

    manifest: Mapping[str, Any]
    identity: str
    date: str = ""
    url: str = ""

    @property
    def title(self) -> str:
        """The board with its version."""
        return f"nanocl board {self.manifest['board']}, version {self.manifest['version']}"

    @property
    def abstract(self) -> str:
        """What the board compares, in one sentence."""
        protocol = self.manifest["protocol"]
        count = len(self.manifest["records"])
        return (
            f"{len(self.manifest['learners'])} learners of the protocol {protocol['benchmark']} "
            f"(tier {protocol['tier']}, {protocol['scenario']}-incremental) over "
            f"{len(self.manifest['statistics']['seeds'])} seeds: {count} records of nanocl "
            f"{self.manifest['nanocl']} with the tables that are computed from them."
        )


def bibtex(publication: Publication) -> str:
    """The BibTeX entry: version, hash, year and URL, as far as they are known."""
    made = publication.manifest
    fields = {
        "title": "{nanocl} " + inert.latex(publication.title.removeprefix("nanocl ")),
        "author": f"{{{AUTHORS}}}",
        "year": publication.date[:4],
        "version": made["version"],
        "url": publication.url,
        "note": f"nanocl {made['nanocl']}, {len(made['records'])} records, "
        f"sha256 {publication.identity}",
    }
    known = {name: value for name, value in fields.items() if value}
    return citation.entry("misc", f"{made['board']}-v{made['version']}", known)


def cff(publication: Publication) -> str:
    """`CITATION.cff` in the format 1.2.0; JSON texts are YAML texts."""
    optional = {"date-released": publication.date, "url": publication.url}
    lines = [
        "cff-version: 1.2.0",
        'message: "If you use this board, please cite it with its version and hash."',
        "type: dataset",
        f"title: {_yaml(publication.title)}",
        f"abstract: {_yaml(publication.abstract)}",
        "authors:",
        f"  - name: {_yaml(AUTHORS)}",
        f"version: {_yaml(publication.manifest['version'])}",
        *(f"{key}: {_yaml(value)}" for key, value in optional.items() if value),
        f"license: {LICENSE}",
        "identifiers:",
        "  - type: other",
        f"    value: {_yaml(f'sha256:{publication.identity}')}",
        '    description: "The SHA-256 of manifest.json"',
        "keywords:",
        *(f"  - {_yaml(word)}" for word in KEYWORDS),
    ]
    return "\n".join(lines) + "\n"


def zenodo(publication: Publication) -> dict[str, Any]:
    """The metadata of a deposit on Zenodo, `.zenodo.json`."""
    fields = {
        "title": publication.title,
        "description": f"{publication.abstract} Identity: sha256 {publication.identity}.",
        "upload_type": "dataset",
        "access_right": "open",
        "license": LICENSE.lower(),
        "creators": [{"name": AUTHORS}],
        "version": publication.manifest["version"],
        "keywords": list(KEYWORDS),
        "publication_date": publication.date,
    }
    if publication.url:
        related = {"identifier": publication.url, "relation": "isIdenticalTo"}
        fields["related_identifiers"] = [{**related, "resource_type": "dataset"}]
    return {name: value for name, value in fields.items() if value}


def _yaml(text: str) -> str:
    return json.dumps(text)
