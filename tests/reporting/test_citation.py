import re
from types import SimpleNamespace

import pytest
from making import a_result, a_spec

from nanocl import __version__
from nanocl.plugins.catalogue import Catalogue
from nanocl.records import UserError
from nanocl.reporting import citation
from nanocl.reporting.publications import PUBLICATIONS


def entries(text):
    return re.findall(r"^@(\w+)\{([^,]+),$", text, re.MULTILINE)


def test_every_entry_is_well_formed():
    for key, publication in PUBLICATIONS.items():
        text = citation.bibtex(key)
        assert text.count("{") == text.count("}") and entries(text) == [(publication.kind, key)]


def test_a_metric_is_cited_by_its_name_or_its_column_title():
    for name in ("forgetting", "F", "f"):
        assert entries(citation.cite([name], [], "0")) == [("inproceedings", "chaudhry2018")]
    assert entries(citation.cite(["average_accuracy"], [], "0")) == [
        ("inproceedings", "lopezpaz2017")
    ]


def test_a_composition_cites_its_parts_once(monkeypatch):
    class Plugin:
        def __init__(self, name, text):
            self.name, self.citation, self.citations = name, text, {}

    installed = {
        "strategies": [
            Plugin("one", "@misc{a,\n  title = {A}\n}\n@misc{b,\n  title = {B}\n}"),
            Plugin("two", "@misc{b,\n  title = {B}\n}"),
        ]
    }
    monkeypatch.setattr(
        citation,
        "INSTALLED",
        SimpleNamespace(plugins=lambda kind: {p.name: p for p in installed.get(kind, [])}),
    )
    assert entries(citation.cite(["one+two"], [], "0")) == [("misc", "a"), ("misc", "b")]


def test_a_plugin_of_the_user_is_cited_with_its_file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "from nanocl.strategies import Strategy\n\n\nclass Mine(Strategy):\n"
        '    """Mine."""\n\n    citation = "@misc{me,\\n  title = {Me}\\n}"\n'
    )
    results = [a_result(a_spec("mine", 0))]
    assert "% no citation for mine" in citation.cite([], results, "0")
    assert ("misc", "me") in entries(citation.cite([], results, "0", Catalogue([path])))
    board = "@misc{board,\n  title = {Board}\n}"
    assert ("misc", "me") in entries(citation.cite_board(board, results, Catalogue([path])))


def test_a_data_set_cites_its_publication_and_its_package():
    assert [key for _, key in entries(citation.cite(["digits"], [], "0"))] == [
        "alpaydin1998",
        "pedregosa2011",
    ]


def test_without_names_the_board_and_everything_in_it_is_cited_once():
    results = [a_result(a_spec("sgd", seed)) for seed in range(2)]
    keys = [key for _, key in entries(citation.cite([], results, "abcdef012345"))]
    assert keys[0] == "nanocl-abcdef012345" and len(keys) == len(set(keys))
    assert {"alpaydin1998", "chaudhry2018", "lopezpaz2017", "lomonaco2021"} <= set(keys)


def test_the_board_names_the_package_version_and_the_records():
    text = citation.cite(["leaderboard"], [a_result()], "abcdef012345")
    assert "records abcdef012345 (1 runs)" in text and f"version = {{{__version__}}}" in text


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("torchvision:resnet18", ["torchvision2016"]),
        ("torch:Adafactor", ["shazeer2018adafactor", "paszke2019pytorch"]),
        (
            "pytorch-optimizer:SAM:Lion",
            ["foret2021sharpness", "chen2023symbolic", "kim2021pytorch"],
        ),
        (
            "ewc+torch:adafactor",
            ["kirkpatrick2017overcoming", "shazeer2018adafactor", "paszke2019pytorch"],
        ),
    ],
)
def test_a_name_with_a_colon_cites_the_optimizer_after_it_and_the_library(name, keys):
    assert [key for _, key in entries(citation.cite([name], [], "0"))] == keys


def test_the_board_cites_the_optimizer_after_a_colon():
    text = citation.cite([], [a_result(a_spec("torch:Muon"))], "0")
    assert "jordan2024muon" in text and "no citation for torch" not in text


def test_a_work_is_cited_once_and_a_key_is_used_once():
    book = citation._book()
    everything = entries(citation.cite(list(book), [], "0"))
    keys = [key for _, key in everything]
    titles = re.findall(r"^  title = (.*),$", citation.cite(list(book), [], "0"), re.MULTILINE)
    assert (
        len(keys) == len(set(keys)) and len(titles) == len({title.lower() for title in titles}) > 40
    )
    two = ["@misc{a,\n  title = {One}\n}", "@misc{a,\n  title = {Two}\n}"]
    assert [key for _, key in entries("\n".join(citation._with_own_keys(two)))] == ["a", "aa"]


def test_a_name_without_a_citation_is_named_in_a_comment():
    assert "% no citation for my-own" in citation.cite([], [a_result(a_spec("my-own"))], "0")


def test_an_unknown_name_is_one_sentence_with_the_nearest():
    with pytest.raises(UserError, match=r"'forgeting'; did you mean 'forgetting'\?"):
        citation.cite(["forgeting"], [], "0")


@pytest.mark.parametrize("name", ["nanocl", "leaderboard"])
def test_our_own_entries_have_year_version_and_the_url_that_is_given(name):
    url = "https://example.org/nanocl"
    text = citation.cite([name], [], "0123", url=url)
    for field, value in (("year", citation.DATE[:4]), ("version", __version__), ("url", url)):
        assert f"{field} = {{{value}}}" in text
    assert "url" not in citation.cite([name], [], "0123")
