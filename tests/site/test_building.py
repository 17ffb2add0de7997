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


def test_an_earlier_site_is_replaced_and_any_other_folder_refused(results, tmp_path, capsys):
    target = tmp_path / "site"
    words = ["site", "--results", str(results), "--output", str(target)]
    assert report.main(words) == 0
    (target / "old.html").write_text("old")
    assert report.main(words) == 0 and not (target / "old.html").exists()
    (target / site.building.MARK).unlink()
    with pytest.raises(UserError, match="no site of nanocl"):
        site.build((), results, target)
    capsys.readouterr()
    assert report.main(words) == 2 and "choose an empty folder" in capsys.readouterr().err


def test_the_metrics_stand_with_formula_and_source(built):
    text = (built / "metrics.html").read_text(encoding="utf-8")
    assert "mean_j R[T-1][j]" in text and "Lopez-Paz and Ranzato, 2017" in text


def test_the_script_sets_no_html_from_text():
    script = (Path(site.__file__).parent / "static" / "site.js").read_text(encoding="utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", script)
