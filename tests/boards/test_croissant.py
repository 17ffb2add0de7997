import csv
import hashlib
import io
import json

import pytest

from nanocl.boards import croissant, manifest
from nanocl.boards.citing import Publication


@pytest.fixture
def metadata(version):
    return json.loads((version.folder / "croissant.json").read_text())


def test_it_has_the_keys_that_the_format_requires(metadata):
    required = {"@context", "@type", "conformsTo", "name", "description", "license", "version"}
    assert required | {"distribution", "recordSet", "creator"} <= set(metadata)
    assert metadata["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert metadata["datePublished"] == "2026-11-27"


def test_the_file_and_its_sum_are_those_of_the_table(metadata, version):
    (file,) = metadata["distribution"]
    content = (version.folder / file["contentUrl"]).read_bytes()
    assert file["sha256"] == hashlib.sha256(content).hexdigest()


def test_every_column_of_the_table_is_a_field_that_reads_it(metadata, version):
    header = next(csv.reader(io.StringIO((version.folder / "table.csv").read_text())))
    (records,) = metadata["recordSet"]
    columns = [field["source"]["extract"]["column"] for field in records["field"]]
    assert columns == header
    files = {field["source"]["fileObject"]["@id"] for field in records["field"]}
    assert files == {metadata["distribution"][0]["@id"]}


def test_without_a_date_and_a_url_none_is_made_up(version):
    given = version.manifest()
    values = croissant.metadata(Publication(given, manifest.identity_of(given)), "a,b\n")
    assert {"datePublished", "url"}.isdisjoint(values)


def test_mlcroissant_reads_the_records(version):
    mlcroissant = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed")
    records = mlcroissant.Dataset(version.folder / "croissant.json").records("metrics")
    first = next(iter(records))
    assert first["metrics/protocol"] == b"split-digits" and first["metrics/n"] == 2
