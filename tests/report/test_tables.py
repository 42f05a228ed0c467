import re

import pandas as pd
import pytest

from tcstudy.experiments import Comparison, Datasets, LongTexts
from tcstudy.experiments.base import RunKey
from tcstudy.report import findings, tables
from tcstudy.report.published import printed_errors, published
from tcstudy.study.run import run

HOSTILE = "a|b\n```{note}\n<script>alert(1)</script> $x$ {cite:p}`y` [l](http://z)"


def spread(cells: dict[str, tuple[float, float, float, int]]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"dataset": "imdb", "variant": variant, "mean": m, "low": low, "high": high, "seeds": 2, "diverged": lost}
            for variant, (m, low, high, lost) in cells.items()
        ]
    )


def test_a_table_is_a_numbered_directive_in_the_book_and_html_in_a_notebook():
    table = tables.Table(("name", "n"), [("x", "1"), ("y", "–")], "A caption", "tab-x")
    assert table.markdown() == (
        "````{table} A caption\n:name: tab-x\n\n| name | n |\n| :-- | --: |\n| x | 1 |\n| y | – |\n````"
    )
    assert "<caption>A caption</caption>" in table.html()
    assert set(table._repr_mimebundle_()) == {"text/html", "text/markdown"}


def test_cells_are_shown_letter_by_letter():
    table = tables.Table(("a",), [(HOSTILE,)], "c", "n")
    assert len(table.markdown().splitlines()) == 7
    assert "<script" not in table.html()
    cell = re.findall(r"^\| (.*) \|$", table.markdown(), re.MULTILINE)[2]
    bare = re.sub(r"\\.", "", cell)  # what is not escaped
    assert not set(bare) & set("`*_{}[]<>#|$~^@&")


def test_markup_is_for_the_book_only():
    table = tables.Table(("a",), [(tables.Markup("plain", "{cite:p}`x`"),)], "c", "n")
    assert "{cite:p}`x`" in table.markdown()
    assert "plain" in table.html()
    assert "cite" not in table.html()


def test_errors_stand_beside_the_papers():
    ours = spread({"head-only": (0.1, 0.05, 0.15, 0), "head+tail": (float("nan"),) * 3 + (2,)})
    table = tables.errors_beside_paper(ours, printed_errors("table-2"), "c", "n")
    assert list(table.head) == ["", "IMDb, here", "IMDb, paper", "Sogou, paper"]
    assert table.rows[0] == ["head-only", "10.0% (5.0%–15.0%)", "5.63%", "2.58%"]
    assert table.rows[1] == ["head+tail", "did not converge", "5.42%", "2.43%"]
    assert ["tail-only", "–", "5.44%", "3.17%"] in table.rows  # not run here


def test_a_seed_that_did_not_converge_is_said():
    [cell] = (tables.error_cell(row) for _, row in spread({"x": (0.1, 0.1, 0.1, 1)}).iterrows())
    assert cell == "10.0% (10.0%–10.0%, 1 of 2 did not converge)"


def test_a_single_seed_has_no_range():
    single = spread({"head+tail": (0.3, 0.3, 0.3, 0), "b": (0.2, 0.2, 0.2, 0)}).assign(seeds=1)
    assert [tables.error_cell(row) for _, row in single.iterrows()] == ["30.0%", "20.0%"]
    assert "With a single seed this may be chance" in findings.lowest_errors(single, reference="head+tail").text


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
    assert "prove nothing" in tables.notice(smoke).text
    assert (
        tables.notice(smoke)
        ._repr_mimebundle_()["text/markdown"]
        .startswith("```{admonition} Made by the profile smoke")
    )


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        ({"head+tail": (0.1, 0.1, 0.1, 0), "b": (0.2, 0.2, 0.2, 0)}, "head+tail has the lowest mean error, 10.0%."),
        (
            {"head+tail": (0.3, 0.3, 0.3, 0), "b": (0.2, 0.1, 0.25, 0)},
            "30.0%, and their ranges over seeds do not overlap.",
        ),
        ({"head+tail": (0.3, 0.2, 0.4, 0), "b": (0.2, 0.1, 0.25, 0)}, "30.0%, and their ranges over seeds overlap."),
        ({"head+tail": (float("nan"),) * 3 + (2,)}, "IMDb: no run converged."),
    ],
)
def test_findings_are_computed(cells, sentence):
    assert sentence in findings.lowest_errors(spread(cells), reference="head+tail").text


def test_published_numbers():
    assert printed_errors("table-2")["head+tail", "imdb"] == pytest.approx(0.0542)
    assert len(published("table-2")) == 12
    with pytest.raises(KeyError, match="table-9"):
        published("table-9")


def test_documents_of_the_runs_and_texts_in_two_splits(spec):
    records = {RunKey("bbc_news", "plain", seed): run(spec.variant({"seed": seed})) for seed in (0, 1)}
    [row] = tables.documents_used(records, "x").rows
    assert row == ("BBC News", "local folder", "0", "40 / 20 / 30", "0", "0")
