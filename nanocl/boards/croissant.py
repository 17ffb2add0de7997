"""Croissant metadata of a version of a board: the columns of `table.csv`, for data set tools.

Source: Akhtar et al., 2024, arXiv:2403.19546; format 1.0 of MLCommons.
"""

from __future__ import annotations

from typing import Any

from nanocl.boards import citing
from nanocl.boards.citing import Publication
from nanocl.boards.manifest import sha256
from nanocl.reporting import comma_separated

CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
_TYPES = {"n": "sc:Integer", **dict.fromkeys(("mean", "std", "low", "high"), "sc:Float")}
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def metadata(publication: Publication, table: str) -> dict[str, Any]:
    """The JSON-LD value of `croissant.json`.

    Args:
        publication: The version.
        table: The content of `table.csv`.
    """
    optional = {"url": publication.url, "datePublished": publication.date}
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": publication.manifest["board"],
        "description": f"{publication.abstract} Identity: sha256 {publication.identity}.",
        "version": f"{publication.manifest['version']}.0",  # the format wants three numbers
        "license": f"https://spdx.org/licenses/{citing.LICENSE}.html",
        "creator": {"@type": "sc:Organization", "name": citing.AUTHORS},
        "keywords": list(citing.KEYWORDS),
        "citeAs": citing.bibtex(publication),
        **{key: value for key, value in optional.items() if value},
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "table.csv",
                "name": "table.csv",
                "contentUrl": "table.csv",
                "encodingFormat": "text/csv",
                "sha256": sha256(table.encode()),
            }
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "metrics",
                "name": "metrics",
                "description": "One line for each learner and metric.",
                "field": [_field(name) for name in comma_separated.HEADER],
            }
        ],
    }


def _field(column: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"metrics/{column}",
        "name": column,
        "dataType": _TYPES.get(column, "sc:Text"),
        "source": {"fileObject": {"@id": "table.csv"}, "extract": {"column": column}},
    }
