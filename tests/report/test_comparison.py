import numpy as np
import pandas as pd
import pytest

from tcstudy.experiments.base import RunKey
from tcstudy.report import beside_paper
from tcstudy.report.stats import error_reduction, printed_matrix


@pytest.fixture
def reductions() -> pd.DataFrame:
    return error_reduction(printed_matrix(beside_paper.trained_by_the_paper()), "BERT-Feat")


def test_the_papers_averages_are_over_the_sets_that_a_row_has(reductions):
    own = reductions.mean(axis=1)
    printed = beside_paper.printed_averages()
    assert own.loc[printed.index].to_numpy() == pytest.approx(printed.to_numpy(), abs=1.01e-4)
    cut_off = np.floor(1e4 * own.loc[printed.index] + 1e-6) / 1e4  # two decimals, not rounded
    pd.testing.assert_series_equal(cut_off, printed, check_names=False)
    assert reductions.notna().sum(axis=1).to_dict() == {
        "BERT-FiT": 8,
        "BERT-ITPT-FiT": 8,
        "BERT-IDPT-FiT": 7,
        "BERT-CDPT-FiT": 7,
    }


def test_over_the_sets_that_all_rows_have_the_averages_differ(reductions):
    common = reductions.drop(columns="sogou").mean(axis=1)
    assert (common[["BERT-FiT", "BERT-ITPT-FiT"]] - beside_paper.printed_averages()).abs().min() > 0.005
    text = beside_paper.how_the_paper_averages().text
    assert "BERT-FiT and BERT-ITPT-FiT are over 8 data sets and the others over 7, without Sogou" in text
    for variant, mean in common.items():
        assert f"{mean:.2%} for {variant}" in text


def test_a_reduction_by_hand(reductions):
    assert reductions.loc["BERT-FiT", "imdb"] == pytest.approx((6.79 - 5.40) / 6.79)
    assert reductions.loc["BERT-FiT", "dbpedia"] < 0  # 0.71 against 0.70


def test_our_averages_stand_beside_the_papers(made_up, spec):
    wrong = {
        ("imdb", "BERT-Feat"): 4,
        ("imdb", "BERT-FiT"): 3,
        ("imdb", "BERT-IDPT-FiT"): 2,
        ("sogou", "BERT-Feat"): 2,
        ("sogou", "BERT-FiT"): 1,
    }
    features = spec.variant({"features.reader": "bilstm"})
    records = {
        RunKey(name, variant, 0): made_up(features if variant == "BERT-Feat" else spec, number)
        for (name, variant), number in wrong.items()
    }
    rows = beside_paper.average_reductions(records).rows
    assert [row[3:] for row in rows] == [
        ["9.22%", "9.22% (8)", "10.14% (7)"],
        ["18.57%", "18.57% (7)", "18.57% (7)"],
    ]
    ours = [[(cell.split(" (")[0], cell[cell.index(";") :]) for cell in row[1:3]] for row in rows]
    assert ours == [
        [("37.5%", "; 2)"), ("25.0%", "; 1)")],  # of 1 - 3/4 and 1 - 1/2
        [("50.0%", "; 1)"), ("50.0%", "; 1)")],
    ]


def test_cited_systems_are_told_from_what_was_trained(request):
    table = beside_paper.cited_systems()
    assert len(table.rows) == 10
    assert not [row for row in table.rows if row[0].startswith("BERT")]
    assert list(table.head)[:3] == ["cited system", "IMDb", "Yelp P."]
    assert "DPCNN (Johnson and Zhang 2017), Sogou: re-implemented by the paper" in table.caption
    bibliography = (request.config.rootpath / "book" / "references.bib").read_text()
    for row in table.rows:
        key = row[0].myst.split("`")[1]
        assert f"{{{key},\n" in bibliography
