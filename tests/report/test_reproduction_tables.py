import re
from statistics import fmean

import pytest

from tcstudy.experiments import EXPERIMENTS
from tcstudy.report import effect_figures
from tcstudy.report import reproduction_tables as tables
from tcstudy.report.claims import PAPERS_CLAIMS
from tcstudy.report.reproductions import answer, reproductions
from tcstudy.report.tables import Fold, Notice


def test_every_number_is_in_the_table_with_its_source_and_its_filter():
    shown = tables.numbers_table(reproductions(), "tab-x")
    assert len(shown.table.rows) == len(reproductions())
    first = shown.table.markdown().splitlines()[5]
    assert "{cite:t}`qinhan2021`" in first
    assert "/tree/82b137674cbf2ad57963b970183ce1ea3577a3a9" in first
    assert "94.57 ± 0.07 against 94.20 ± 0.08" in first
    assert 'data-columns="0,1,2"' in shown.markdown()
    assert "<script" in shown._repr_mimebundle_()["text/html"]


def test_a_number_read_second_hand_says_so_and_has_no_effect():
    cells = [row for row in tables.numbers_table(reproductions(), "tab-x").table.rows if "second hand" in row[-1]]
    assert cells
    assert {row[5] for row in cells} == {"–"}


@pytest.mark.parametrize("page", sorted({claim.page for claim in PAPERS_CLAIMS}))
def test_each_chapter_gets_the_answers_to_its_claims(page):
    shown = tables.beside(page)
    claims = [claim for claim in PAPERS_CLAIMS if claim.page == page]
    assert page in EXPERIMENTS
    assert len(shown) == len(claims)
    for claim, part in zip(claims, shown, strict=True):
        found = answer(claim.number)
        assert found.word in part.title
        if found.shown:
            assert isinstance(part, Fold)
            assert len(part.tables[0].rows) == len(found.shown)
            cited = set(re.findall(r"\{cite:t\}`(\w+)`", part.markdown()))
            assert cited == {of.row.source for of in found.shown}
        else:
            assert isinstance(part, Notice)
            assert "{doc}`evidence`" in part.text


def test_each_page_of_a_claim_shows_them(request):
    for page in {claim.page for claim in PAPERS_CLAIMS}:
        text = (request.config.rootpath / "book" / f"{page}.md").read_text(encoding="utf-8")
        assert "reproduction_tables.beside(experiment.page)" in text


def test_an_answer_about_some_parts_says_of_how_many():
    assert tables.answer_cell(1) == "mixed (2 of 3 parts)"
    assert tables.answer_cell(3) == "holds"
    assert tables.answer_cell(9) == "unmeasured"


def test_the_answers_of_all_claims_add_up():
    rows = tables.answers_table(PAPERS_CLAIMS, "tab-x").rows
    assert [row[0] for row in rows] == [f"{claim.number}" for claim in PAPERS_CLAIMS]
    told = tables.found(PAPERS_CLAIMS).text
    assert sum(map(int, re.findall(r"(\d+) (?:hold|do not hold|are mixed|are unmeasured)", told))) == len(PAPERS_CLAIMS)


def test_the_chart_of_claims_has_the_votes_of_others_and_nothing_else():
    rows = tables.overview(PAPERS_CLAIMS)
    assert list(rows["label"]) == [f"{claim.number}. {claim.title}" for claim in PAPERS_CLAIMS]
    assert rows[["mean", "low", "high", "paper"]].isna().all(axis=None)
    assert sum(map(len, rows["others"])) == sum(len(tables.marks(claim.number)) for claim in PAPERS_CLAIMS) > 0
    [legend] = effect_figures.effects(rows).figure.legends
    assert {text.get_text() for text in legend.get_texts()} == {"others, several seeds", "others, single runs"}


def test_the_figure_has_a_panel_for_each_part_and_a_bar_for_each_solid_mark():
    rows = tables.forest(PAPERS_CLAIMS)
    figure = effect_figures.forest(rows).figure
    assert [ax.get_title(loc="left") for ax in figure.axes] == list(dict.fromkeys(rows["part"]))
    bars = sum(
        len(collection.get_segments())
        for ax in figure.axes
        for collection in ax.collections
        if hasattr(collection, "get_segments")
    )
    assert bars == rows["low"].notna().sum() > 0
    marks = [line for ax in figure.axes for line in ax.lines if line.get_marker() == "o"]
    assert len(marks) == len(rows)
    beyond = (rows[["low", "mean", "high"]].abs() > effect_figures.END).sum().sum()
    assert sum(line.get_label() == "_beyond" for ax in figure.axes for line in ax.lines) == beyond > 0


def test_the_yardstick_is_that_of_the_source():
    text = tables.yardstick().text
    assert "20 runs of `bert-base-uncased` have a standard deviation of 0.63 points" in text
    assert "BERT-FiT against BERT-ITPT-FiT, 0.4 points" in text
    assert "0.2 points" in text


def test_marks_for_the_chart_are_the_effects_about_a_claim():
    assert [share for share, _ in tables.marks(3)] == pytest.approx([fmean(of.mean for of in answer(3).shown)])
    assert all(solid for _, solid in tables.marks(3))
    assert not any(solid for _, solid in tables.marks(14))
    assert tables.marks(9) == tables.marks(None) == []
    assert tables.answer_cell(None) == "–"
