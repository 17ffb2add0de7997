import json
import re

import pytest

from nanocl.boards import citing, manifest
from nanocl.boards.citing import Publication

yaml = pytest.importorskip("yaml", reason="PyYAML reads the CITATION.cff")


@pytest.fixture
def publication(version):
    given = version.manifest()
    identity = manifest.identity_of(given)
    return Publication(given, identity, "2026-11-27", "https://example.org/board")


def test_bibtex_has_version_hash_year_and_url(publication):
    text = citing.bibtex(publication)
    assert text.startswith("@misc{split-digits-cpu-class-v1.0,\n")
    for line in ("version = {1.0}", "year = {2026}", "url = {https://example.org/board}"):
        assert line in text
    assert publication.identity in text and text.count("{") == text.count("}")


def test_a_name_with_letters_that_latex_reads_is_escaped_in_the_title(publication):
    named = {**publication.manifest, "board": "my_own-cpu-class"}
    text = citing.bibtex(Publication(named, publication.identity))
    assert r"title = {{nanocl} board my\_own-cpu-class, version 1.0}" in text
    assert text.startswith("@misc{my_own-cpu-class-v1.0,")


def test_what_is_not_known_is_left_out(publication):
    bare = Publication(publication.manifest, publication.identity)
    assert not re.search(r"^  (year|url) ", citing.bibtex(bare), re.MULTILINE)
    assert {"date-released", "url"}.isdisjoint(yaml.safe_load(citing.cff(bare)))
    assert {"publication_date", "related_identifiers"}.isdisjoint(citing.zenodo(bare))


def test_the_cff_is_yaml_with_the_keys_that_the_format_requires(publication):
    values = yaml.safe_load(citing.cff(publication))
    assert {"cff-version", "message", "title", "authors"} <= set(values)
    assert values["cff-version"] == "1.2.0" and values["type"] == "dataset"
    assert values["version"] == "1.0" and values["date-released"] == "2026-11-27"
    assert values["identifiers"][0]["value"] == f"sha256:{publication.identity}"


def test_the_zenodo_file_has_what_a_deposit_of_a_data_set_requires(publication):
    values = json.loads(json.dumps(citing.zenodo(publication)))
    assert values["upload_type"] == "dataset" and values["access_right"] == "open"
    assert values["creators"] == [{"name": "The nanocl authors"}]
    assert {"title", "description", "license", "publication_date"} <= set(values)
    assert publication.identity in values["description"]


def test_the_abstract_counts_what_is_in_the_board(publication):
    assert publication.abstract.startswith("3 learners of the protocol split-digits")
    assert "2 seeds: 6 records" in publication.abstract
