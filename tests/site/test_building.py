"""The site is whole, stays on the machine, and shows text from records as text."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from making import a_result, a_spec

from nanocl import report, site
from nanocl.records import UserError
from nanocl.reporting.summaries import summarise
from nanocl.site import board

ATTACK = "<script>alert(1)</script>"
LARGEST = 5 * 2**20  # bytes of a page


class Links(HTMLParser):
    """The addresses, images without words, and handlers of a page."""

    def __init__(self):
        super().__init__()
        self.addresses, self.inline, self.without_words = [], [], []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.addresses += [values[name] for name in ("href", "src") if name in values]
        self.inline += [name for name in values if name.startswith("on") or name == "style"]
        if tag == "script" and "src" not in values:
            self.inline.append(tag)
        if tag == "img" and not values.get("alt"):
            self.without_words.append(values.get("src"))


def links_of(page):
    links = Links()
    links.feed(page.read_text(encoding="utf-8"))
    return links


def pages(folder):
    return sorted(folder.rglob("*.html"))


def test_every_address_is_a_file_of_the_site(built):
    assert len(pages(built)) == 4 + 1 + 3
    for page in pages(built):
        for address in links_of(page).addresses:
            path = address.split("#")[0]
            assert not path or (page.parent / path).resolve().is_file(), f"{page}: {address}"


def test_nothing_is_loaded_from_elsewhere_and_no_script_or_style_stands_in_a_page(built):
    for page in pages(built):
        links = links_of(page)
        assert not [address for address in links.addresses if "//" in address]
        assert links.inline == [] and links.without_words == []
        assert "default-src 'none'" in page.read_text() and page.stat().st_size < LARGEST


def test_text_of_a_record_is_shown_as_text(tmp_path, monkeypatch):
    monkeypatch.setattr(board.defined, "is_current", lambda spec: True)
    rows = summarise([a_result(a_spec(ATTACK, seed)) for seed in range(2)])
    site.build(rows, tmp_path, tmp_path / "site")
    shown = "".join(page.read_text() for page in pages(tmp_path / "site"))
    assert ATTACK not in shown and "&lt;script&gt;alert(1)&lt;/script&gt;" in shown


def test_equal_records_give_equal_bytes(built, results, rows, tmp_path):
    site.build(rows, results, tmp_path / "again")
    for path in built.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "again" / path.relative_to(built)).read_bytes()


def test_an_earlier_site_is_replaced_and_any_other_folder_refused(copy, tmp_path, capsys):
    results = copy
    target = tmp_path / "site"
    words = ["site", "--results", str(results), "--output", str(target)]
    assert report.main(words) == 0
    (results / "boards").rename(tmp_path / "boards")  # one version fewer
    stale = [*target.glob("boards/*/v*")]
    assert report.main(words) == 0 and stale and not any(path.exists() for path in stale)
    (target / site.building.MARK).unlink()
    with pytest.raises(UserError, match="no site of nanocl"):
        site.build((), results, target)
    capsys.readouterr()
    assert report.main(words) == 2 and "choose an empty folder" in capsys.readouterr().err


def test_files_that_others_put_into_a_site_are_kept(rows, results, tmp_path):
    target = tmp_path / "site"
    site.build(rows, results, target)
    others = (target / "CNAME", target / ".git" / "HEAD", target / "boards" / "notes.txt")
    for path in others:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    site.build(rows, results, target)
    assert [path.read_text() for path in others] == ["mine"] * len(others)


def test_a_list_of_files_that_leads_out_of_the_site_deletes_nothing(rows, results, tmp_path):
    target, outside = tmp_path / "site", tmp_path / "outside.txt"
    site.build(rows, results, target)
    outside.write_text("mine")
    (target / site.building.MARK).write_text(f"../outside.txt\n{outside}\n")
    site.build(rows, results, target)
    assert outside.read_text() == "mine"


def test_a_build_that_fails_leaves_the_earlier_site(rows, results, tmp_path, monkeypatch):
    target = tmp_path / "site"
    site.build(rows, results, target)
    before = sorted(target.rglob("*"))

    def fail(*_):
        raise UserError("no claims")

    monkeypatch.setattr(site.building, "judged", fail)
    with pytest.raises(UserError):
        site.build(rows, results, target)
    assert sorted(target.rglob("*")) == before


def test_the_metrics_stand_with_formula_and_source(built):
    text = (built / "metrics.html").read_text(encoding="utf-8")
    assert "mean_j R[T-1][j]" in text and "Lopez-Paz and Ranzato, 2017" in text


def test_the_script_sets_no_html_from_text():
    script = (Path(site.__file__).parent / "static" / "site.js").read_text(encoding="utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", script)
