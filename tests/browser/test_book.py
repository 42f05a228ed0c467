"""The built book in a browser: every page wide and narrow, in the light and in the dark, and the search."""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote_plus

import pytest

from tcstudy.publish.parts import OWN

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WIDE, NARROW = 1300, 420
GRAVE = ("serious", "critical")
MINOR_BUT_OURS = ("empty-table-header", "aria-deprecated-role")
CONTRAST = "color-contrast"
FURTHER_ROWS = [["tbody > tr:nth-child(n+6)"]]
"""Rows of a table are made alike, and there are thousands: axe looks at the first ones."""
ANSWER = ".bd-article .admonition-title:text-is('Answer')"
FIGURE = ".bd-article figure"
FOUND = "/found \\d|did not match/.test(document.querySelector('#search-results')?.innerText)"


class Accepted(NamedTuple):
    """Something that axe finds and that is left as it is: its rule, where it may be, and why."""

    rule: str
    selector: str
    reason: str


ACCEPTED = [
    Accepted("summary-name", "nav.bd-links", "the theme's arrow beside a chapter with pages below it has no name"),
]

SEARCHES = {
    "learning rate": "base_rate",
    "head+tail": "long_texts",
    "long documents": "long_texts",
    "hierarchical": "long_texts",
    "seeds": "method",
    "catastrophic forgetting": "forgetting",
    "overfitting": "method",
    "DAPT": "domains",
    "layer decay": "layer_decay",
    "few labels": "few_shot",
}
"""What readers look for, and the page that answers it."""


def pages(site: Path) -> list[str]:
    """Every page of the book, with search and index, as addresses below its root."""
    found = sorted(str(path.relative_to(site)) for path in site.rglob("*.html") if "_static" not in path.parts)
    return [page for page in found if page != "index.html"]  # it leads on to the front page


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_every_page_is_sound(browser: "Browser", site: Path, address: str, width: int):
    context = browser.new_context(viewport={"width": width, "height": 1000})
    page = context.new_page()
    found: dict[str, set[str]] = defaultdict(set)
    here = ""
    page.on("console", lambda message: message.type == "error" and found[here].add(f"console: {message.text}"))
    page.on("pageerror", lambda error: found[here].add(f"uncaught: {error.message}"))
    page.on("request", lambda asked: asked.url.startswith((address, "data:")) or found[here].add(f"asks {asked.url}"))
    for here in pages(site):
        page.emulate_media(color_scheme="light")
        page.goto(address + here)
        page.add_style_tag(content="* { transition: none !important }")  # colours are read as they end
        found[here] |= set(violations(page, {} if width == WIDE else {"rules": {CONTRAST: {"enabled": False}}}))
        page.emulate_media(color_scheme="dark")
        page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
        if width == WIDE:
            found[here] |= {f"dark: {what}" for what in violations(page, {"runOnly": [CONTRAST]})}
        if (more := page.evaluate("document.documentElement.scrollWidth - innerWidth")) > 0:
            found[here].add(f"{more} px wider than the window")
    context.close()
    assert not {name: sorted(findings) for name, findings in found.items() if findings}


def violations(page: "Page", options: dict[str, Any]) -> Iterator[str]:
    """What axe has against a page, without what is accepted."""
    from axe_playwright_python.sync_playwright import Axe

    told = (
        Axe()
        .run(page, {"exclude": FURTHER_ROWS}, {"preload": False, "resultTypes": ["violations"], **options})
        .response
    )
    for violation in told["violations"]:
        if violation["impact"] in GRAVE or violation["id"] in MINOR_BUT_OURS:
            for node in violation["nodes"]:
                if not accepted(page, violation["id"], node["target"][0]):
                    yield f"{violation['id']} at {node['target'][0]}: {node['html'][:200]}"


def accepted(page: "Page", rule: str, target: str) -> bool:
    """Whether what axe found at `target` is among what is left as it is."""
    inside = "([target, selector]) => Boolean(document.querySelector(target).closest(selector))"
    return any(each.rule == rule and page.evaluate(inside, [target, each.selector]) for each in ACCEPTED)


def test_what_is_asked_of_others_or_thrown_is_seen(browser: "Browser", address: str):
    page = browser.new_page()
    seen = []
    page.on("request", lambda asked: seen.append(asked.url))
    page.on("pageerror", lambda error: seen.append(error.message))
    page.goto(address + "search.html")
    page.add_script_tag(content="document.body.append(Object.assign(new Image(), {src: 'http://example.org/x.png'}))")
    page.add_script_tag(content="setTimeout(() => { throw new Error('thrown') })")
    faint = "<p style='color: #eee; background: #fff'>not to be read</p>"
    page.evaluate("faint => document.querySelector('main').insertAdjacentHTML('beforeend', faint)", faint)
    page.wait_for_timeout(100)
    assert {"http://example.org/x.png", "thrown"} <= set(seen)
    assert [what for what in violations(page, {}) if what.startswith(CONTRAST)]
    page.close()


@pytest.mark.parametrize(("width", "height"), [(WIDE, 1000), (NARROW, 900)])
def test_where_there_is_an_answer_the_figure_begins_in_the_first_screen(
    browser: "Browser", site: Path, address: str, width: int, height: int
):
    page = browser.new_page(viewport={"width": width, "height": height})
    places = {}
    for here in pages(site):
        page.goto(address + here)
        if page.locator(ANSWER).count() and page.locator(FIGURE).count():
            places[here] = page.locator(FIGURE).first.bounding_box()["y"]
    page.close()
    assert len(places) >= 10
    assert not {here: place for here, place in places.items() if place > height}


def test_a_page_with_an_answer_prints_on_at_most_eight_sheets(browser: "Browser", site: Path, address: str):
    page = browser.new_page()
    sheets = {}
    for here in pages(site):
        page.goto(address + here)
        if page.locator(ANSWER).count():
            sheets[here] = len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4")))
    page.close()
    assert len(sheets) >= 10
    assert not {here: number for here, number in sheets.items() if not 1 <= number <= 8}


def test_a_search_finds_the_page_that_answers_first(browser: "Browser", address: str):
    page = browser.new_page()
    first, own = {}, {}
    for words in SEARCHES:
        page.goto(f"{address}search.html?q={quote_plus(words)}")
        page.wait_for_function(FOUND)
        links = page.eval_on_selector_all("#search-results .search > li > a", "all => all.map(a => a.pathname)")
        first[words] = Path(links[0]).stem if links else None
        places = [f"/{OWN}/" in link for link in links]
        own[words] = sorted(places) == places  # none of one's own run is before one that is published
    page.close()
    assert first == SEARCHES
    assert all(own.values())


def test_a_cell_tells_its_runs_and_leads_to_them_by_mouse_and_keyboard(browser: "Browser", address: str):
    page = browser.new_page()
    page.goto(f"{address}book/long_texts.html")
    cell, popup = page.locator("td a.cell-runs[href='#runs']").first, page.locator("#cell-runs-popup")
    runs = cell.get_attribute("data-runs").split("; ")
    assert all(re.fullmatch(r"IMDb, seed \d+, draw \d+: [\d.]+%", run) for run in runs)
    cell.hover()
    assert popup.locator("div").all_inner_texts() == runs
    page.mouse.move(0, 0)
    assert popup.is_hidden()
    cell.focus()
    assert popup.is_visible()
    page.keyboard.press("Escape")
    assert popup.is_hidden()
    listed = page.locator("#runs-long-texts")
    assert listed.is_hidden()
    page.keyboard.press("Enter")
    page.wait_for_url("**#runs")
    listed.wait_for(state="visible")
    assert all(run.rpartition(", ")[2] in listed.inner_text() for run in runs)
    page.close()
