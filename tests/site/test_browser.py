"""The site in a browser: no errors, sorting, filtering, choosing, addresses, small screens."""

import shutil

import pytest

playwright = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs Debian's chromium")
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        yield started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@pytest.fixture
def visit(browser, built):
    """Opens a page of the site; errors of its console fail the test."""
    errors = []

    def opened(path, **options):
        page = browser.new_page(**options)
        page.on("console", lambda said: said.type == "error" and errors.append(said.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"file://{built / path}")
        return page

    yield opened
    assert errors == []


def every_page(built):
    return sorted(str(path.relative_to(built)) for path in built.rglob("*.html"))


def column(page, number):
    return page.locator(f"#ranking-table tbody tr:visible :nth-child({number})").all_inner_texts()


def board_of(boards):
    return f"{boards[0].folder}/index.html"


def test_no_page_scrolls_sideways_on_a_small_screen(visit, built):
    for path in every_page(built):
        page = visit(path, viewport={"width": 390, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
        page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser, built, boards, scheme):
    for path in ("index.html", board_of(boards), f"{boards[0].folder}/sgd.html", "claims.html"):
        page = browser.new_page(color_scheme=scheme, bypass_csp=True)  # axe reads the style sheet
        page.goto(f"file://{built / path}")
        found = axe.Axe().run(page).response["violations"]
        assert [one["id"] for one in found if one["impact"] in SERIOUS] == [], path


def test_a_column_is_sorted_by_keyboard_and_the_address_keeps_it(visit, boards):
    page = visit(board_of(boards))
    names = [place.row.strategy for place in boards[0].ranking.places]
    assert column(page, 4) == names
    button = page.locator("#ranking-table thead button", has_text="ACC")
    button.focus()
    page.keyboard.press("Enter")
    assert column(page, 4) == names[::-1] and "sort" in page.url
    page.reload()
    assert column(page, 4) == names[::-1]


def test_rows_are_filtered_and_a_link_shows_them_again(visit, boards):
    page = visit(board_of(boards))
    page.fill("#filter-text", "adam")
    assert column(page, 4) == ["adamw", "adam"]
    page.reload()
    assert column(page, 4) == ["adamw", "adam"]
    assert page.inner_text("#filter-count") == "2 of 3 rows"


def test_the_chooser_shows_the_best_row_and_those_not_separable_from_it(visit, boards):
    page = visit("index.html")
    shown = page.locator("#choices tbody tr:visible td:nth-child(2)").all_inner_texts()
    assert shown == ["adamw"]
    page.select_option("#choose-scenario", "task")
    assert page.locator("#choices tbody tr:visible").count() == 0
    assert page.is_visible("#choices-none")


def test_questions_are_answered_by_clicks_alone(visit, boards):
    page = visit("index.html")
    page.click("#choices tbody tr:visible a")  # the best without stored samples
    assert page.is_visible("text=While the stream is learned")  # how its first task decays
    assert page.is_visible("text=From: default")  # how it was tuned
    page.click(".crumbs a")
    assert page.is_visible("text=Copy BibTeX")
