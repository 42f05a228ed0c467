"""The explorers in a browser: they answer to pointer, keyboard and choices, and stand as tables without scripts."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tcstudy.catalog.profiles import PROFILES
from tcstudy.encoding.tokens import load_vocabulary
from tcstudy.experiments.base import RunKey
from tcstudy.report import explore
from tcstudy.report.claims import CLAIMS
from tcstudy.report.measured import PageRecords
from tcstudy.report.verdicts import verdict
from tcstudy.spec import EncoderSpec, RunSpec

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def file(tmp_path: Path, made_up) -> Path:
    """A page of four explorers: of thirty runs that have one wrong document less each, in tens."""
    records = {}
    for number in range(30):
        rate = (2e-5, 1e-4, 4e-4)[number // 10]
        spec = RunSpec.model_validate(
            {
                "data": {"name": "rotten_tomatoes", "train": 20, "validation": 10, "test": 10},
                "encoder": {"name": "tiny"},
                "window": {"length": 12},
                "training": {"learning_rate": rate},
                "seed": number % 10,
            }
        )
        key = RunKey("rotten_tomatoes", f"lr {rate:g} {HOSTILE}", spec.seed)
        records[key] = made_up(spec, 10 - number % 10, curve=(0.5, 0.25))
    pages = {"few_shot": PageRecords({key: record.spec for key, record in records.items()}, records)}
    verdicts = [verdict(claim, None, PROFILES["mini"]) for claim in CLAIMS]
    shown = [
        explore.claims(verdicts),
        explore.runs(pages),
        explore.costs(explore.points(pages, {}), pages),
        explore.windows_of("the film is good " * 30, load_vocabulary(EncoderSpec(name="tiny"))),
    ]
    body = "".join(one.html() for one in shown)
    path = tmp_path / "page.html"
    path.write_text(
        '<!doctype html><html data-content_root="./"><meta charset="utf-8">'
        f"<body>{explore.Script()._repr_html_()}{body}</body></html>",
        encoding="utf-8",
    )
    return path


@pytest.fixture
def opened(browser, file: Path) -> Iterator[SimpleNamespace]:
    """The page on a phone, with the parts of it, and what went wrong or was asked of others."""
    context = browser.new_context(viewport={"width": 420, "height": 900})
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: wrong.append(request.url) if request.url != file.as_uri() else None)
    page.goto(file.as_uri())
    parts = {kind: page.locator(f"[data-kind={kind}] .drawn") for kind in ("claims", "runs", "costs", "windows")}
    yield SimpleNamespace(page=page, **parts)
    assert not wrong
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.locator("img").count() == 0
    context.close()


def test_a_claim_is_told_by_pointer_and_keyboard_and_leads_to_its_page(opened):
    row = opened.claims.locator(".claim").first
    tip = opened.claims.locator(".tip")
    assert not tip.is_visible()
    row.hover()
    assert CLAIMS[0].sentence in tip.inner_text()
    row.locator("button").focus()
    opened.page.keyboard.press("Enter")
    assert row.locator(".inner").get_by_role("link").get_attribute("href") == f"{CLAIMS[0].page}.html"
    opened.page.keyboard.press("Enter")
    assert row.locator(".inner").count() == 0


def test_claims_are_chosen_by_verdict(opened):
    opened.claims.get_by_label("verdict").select_option("not tested here")
    assert opened.claims.get_by_role("status").inner_text() == f"{len(CLAIMS)} of {len(CLAIMS)}"
    opened.claims.get_by_label("show").select_option("every comparison")
    assert opened.claims.get_by_role("status").inner_text() == "0 of 0"


def test_runs_are_chosen_and_sorted_and_opened_by_keyboard(opened):
    status = opened.runs.get_by_role("status")
    assert status.inner_text() == "30 of 30 runs, 20 shown"
    opened.runs.get_by_text("Show more runs").click()
    assert status.inner_text() == "30 of 30 runs, 30 shown"
    opened.runs.get_by_label("field").select_option("training.learning_rate")
    opened.runs.get_by_label("its value").select_option("0.0004")
    assert status.inner_text() == "10 of 30 runs, 10 shown"
    opened.runs.get_by_label("error at most").fill("50")
    assert status.inner_text() == "5 of 30 runs, 5 shown"
    opened.runs.locator("th button", has_text="error").focus()
    opened.page.keyboard.press("Enter")
    errors = opened.runs.locator("tbody tr td:nth-child(3)").all_inner_texts()
    assert errors == ["10.0%", "20.0%", "30.0%", "40.0%", "50.0%"]
    opened.page.keyboard.press("Enter")
    assert opened.runs.locator("tbody tr td:nth-child(3)").all_inner_texts() == errors[::-1]
    opened.runs.locator("tbody button").first.focus()
    opened.page.keyboard.press("Enter")
    inner = opened.runs.locator("tr.inner")
    assert inner.locator("svg").count() == 2
    assert inner.locator("tbody td.number").all_inner_texts() == ["2", "3", "60.0%", "2", "3", "40.0%"]
    assert HOSTILE in inner.inner_text()
    assert "_static/records/" in inner.locator("a", has_text=".json").get_attribute("href")


def test_a_budget_leaves_out_what_costs_more(opened):
    told = opened.costs.locator("p[role=status]")
    assert "Lowest error within" in told.inner_text()
    opened.costs.get_by_label("budget").focus()
    opened.page.keyboard.press("Home")
    assert "Nothing was measured within" in told.inner_text()
    dot = opened.costs.locator(".plot button").first
    dot.focus()
    assert "of test documents wrong" in opened.costs.locator(".tip").inner_text()
    opened.page.keyboard.press("Escape")
    assert not opened.costs.locator(".tip").is_visible()


def test_a_window_marks_what_the_encoding_keeps(opened):
    opened.windows.get_by_label("window").focus()
    opened.page.keyboard.press("Home")
    for method, marked in (("head-only", ["the film is good the film"]), ("tail-only", ["is good the film is good"])):
        opened.windows.get_by_label("method").select_option(method)
        assert [text.strip() for text in opened.windows.locator("mark").all_inner_texts()] == marked
    assert "the model sees 6 of 120" in opened.windows.get_by_role("status").inner_text()
    opened.page.keyboard.press("Tab")
    opened.windows.get_by_label("window").focus()
    opened.page.keyboard.press("End")
    assert "the model sees 120 of 120" in opened.windows.get_by_role("status").inner_text()


def test_without_scripts_and_in_print_stand_tables(browser, file):
    page = browser.new_page(java_script_enabled=False)
    page.goto(file.as_uri())
    assert page.locator("[data-kind=runs] .plain tbody tr").count() == 30
    assert all(page.locator(".plain").nth(place).is_visible() for place in range(4))
    page.close()
    page = browser.new_page()
    page.goto(file.as_uri())
    assert not page.locator("[data-kind=claims] .plain").is_visible()
    page.emulate_media(media="print")
    assert page.locator("[data-kind=claims] .plain").is_visible()
    assert not page.locator("[data-kind=claims] .drawn").is_visible()
    page.close()
