import csv
import io
import re

import pytest

from tcstudy.experiments import Comparison, Datasets, LongTexts
from tcstudy.experiments.base import RunKey
from tcstudy.report import tables
from tcstudy.report.published import printed_errors, published
from tcstudy.study.run import run

HOSTILE = "a|b\n```{note}\n<script>alert(1)</script> $x$ {cite:p}`y` [l](http://z)"


def test_a_table_is_a_numbered_directive_in_the_book_and_html_in_a_notebook():
    table = tables.Table(("name", "n"), [("x", "1"), ("y", "–")], "A caption", "tab-x")
    assert table.markdown() == (
        "````{table} A caption\n:name: tab-x\n\n| name | n |\n| :-- | --: |\n| x | 1 |\n| y | – |\n````"
    )
    assert "<caption>A caption</caption>" in table.html()
    assert set(table._repr_mimebundle_()) == {"text/html", "text/markdown", "text/csv"}


def test_a_table_is_a_file_of_the_plain_text_of_its_cells():
    rows = [(HOSTILE, tables.Markup("plain", "{cite:p}`x`")), ('"a", b', "–")]
    table = tables.Table(("name", "n"), rows, "A caption", "tab-x")
    for shown in (table, tables.Fold("more", [table], "more")):
        found = [*csv.reader(io.StringIO(shown._repr_mimebundle_()["text/csv"], newline=""))]
        assert found == [["name", "n"], [HOSTILE, "plain"], ['"a", b', "–"]]


def test_cells_are_shown_letter_by_letter():
    table = tables.Table(("a",), [(HOSTILE,)], "c", "n")
    assert len(table.markdown().splitlines()) == 7
    assert "<script" not in table.html()
    cell = re.findall(r"^\| (.*) \|$", table.markdown(), re.MULTILINE)[2]
    bare = re.sub(r"\\.|&#96;", "", cell)  # what is not escaped
    assert not set(bare) & set("`*_{}[]<>#|$~^@&")


def test_markup_is_for_the_book_only():
    table = tables.Table(("a",), [(tables.Markup("plain", "{cite:p}`x`"),)], "c", "n")
    assert "{cite:p}`x`" in table.markdown()
    assert "plain" in table.html()
    assert "cite" not in table.html()


def test_what_a_page_was_run_with():
    experiment = LongTexts.model_validate(
        {
            "profile": "smoke",
            "encoder": {"name": "tiny"},
            "data": [{"name": "imdb", "train": 5}, {"name": "trec"}],
            "window": {"length": 16},
            "protocol": "released",
            "seeds": [0, 1],
        }
    )
    rows = dict(tables.run_with(experiment).rows)
    assert rows == {
        "profile": "smoke",
        "encoder": "name tiny",
        "data": "name imdb, train 5; name trec",
        "window": "length 16",
        "protocol": "released",
        "seeds": "0, 1",
    }


def test_nested_and_empty_parameters_are_shown():
    experiment = Comparison.model_validate(
        {
            "encoder": {"name": "tiny"},
            "other_languages": {},
            "data": [{"name": "imdb"}],
            "window": {"length": 16},
            "pretraining": {"steps": 5, "protocol": "released", "excluding": []},
            "seeds": [0],
        }
    )
    rows = dict(tables.run_with(experiment).rows)
    assert rows["pretraining"] == "steps 5, excluding none, protocol released"
    assert rows["other_languages"] == "none"
    assert "protocol" not in rows  # was not given


def test_columns_of_numbers_may_fall_below_zero():
    assert "| --: |" in tables.Table(("a",), [("-1.0",), ("–",)], "c", "n").markdown()


def test_a_page_made_by_smoke_says_so():
    smoke = Datasets.model_validate({"profile": "smoke", "encoder": {"name": "tiny"}, "datasets": ["imdb"]})
    assert "no evidence about the paper" in tables.notice(smoke).text
    assert tables.notice(smoke)._repr_mimebundle_()["text/markdown"].startswith("```{admonition} Profile smoke")


def test_published_numbers():
    assert printed_errors("table-2")["head+tail", "imdb"] == pytest.approx(0.0542)
    assert len(published("table-2")) == 12
    with pytest.raises(KeyError, match="table-9"):
        published("table-9")


def test_documents_of_the_runs_and_texts_in_two_splits(spec):
    records = {RunKey("bbc_news", "plain", seed): run(spec.variant({"seed": seed})) for seed in (0, 1)}
    [row] = tables.documents_used(records, "x").rows
    assert row == ("BBC News", "local folder", "0", "40 / 20 / 30", "0", "0")
