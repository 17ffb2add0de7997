import re

from nanocl.reporting import metrics
from nanocl.reporting.publications import DATA_SETS, PUBLICATIONS, label


def test_every_source_of_a_metric_and_of_a_data_set_is_a_publication():
    for kind in metrics.KINDS:
        for column in metrics.columns(kind):
            assert all(key in PUBLICATIONS for key in column.source), column.name
    for keys in DATA_SETS.values():
        assert all(key in PUBLICATIONS for key in keys)


def test_every_publication_has_title_author_year_and_a_valid_arxiv_number():
    for publication in PUBLICATIONS.values():
        assert {"title", "author", "year"} <= set(publication.fields)
        assert re.fullmatch(r"\d{4}", publication.fields["year"])
        assert re.fullmatch(r"\d{4}\.\d{4,5}", publication.fields.get("eprint", "1234.5678"))


def test_a_label_names_authors_year_and_arxiv_number():
    assert label("lopezpaz2017") == "Lopez-Paz and Ranzato, 2017, arXiv:1706.08840"
    assert label("lecun1998") == "LeCun et al., 1998"
