import pandas as pd

from tcstudy.experiments import LongTexts
from tcstudy.experiments.base import RunKey
from tcstudy.report import beside_paper
from tcstudy.report.published import printed_errors


def spread(cells: dict[tuple[str, str], float]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"dataset": name, "variant": variant, "mean": e, "low": e / 2, "high": 2 * e, "seeds": 2, "diverged": 0}
            for (variant, name), e in cells.items()
        ]
    )


OURS = spread(
    {
        ("BERT-FiT", "trec"): 0.2,
        ("BERT-MFiT-FiT", "trec"): 0.15,
        ("BERT-FiT", "imdb"): 0.1,
        ("BERT-MFiT-FiT", "imdb"): 0.2,
    }
)


def test_the_papers_errors_stand_below_ours():
    table = beside_paper.errors(OURS, printed_errors("table-7"), "Errors", "tab")
    assert list(table.head) == ["", "TREC", "IMDb", "Yelp P.", "AG's News", "DBPedia"]
    assert table.rows[:2] == [
        ["BERT-FiT", "20.0 (10.0–40.0)", "10.0 (5.0–20.0)", "–", "–", "–"],
        ["paper", "–", "5.40", "2.28", "5.25", "0.71"],
    ]
    assert table.rows[-1][:3] == ["BERT-CDPT-MFiT-FiT (paper)", "–", "4.96"]
    assert table.caption == "Errors, in percent"


def test_a_run_that_diverged_is_said_and_a_corpus_is_called_by_its_title():
    ours = spread({("imdb", "trec"): float("nan")}).assign(diverged=2)
    table = beside_paper.errors(ours, printed_errors("table-5"), "Errors", "tab")
    assert table.rows[0][:2] == ["IMDb", "did not converge"]
    assert table.rows[1][:3] == ["paper", "2.60", "4.37"]


def test_gains_by_hand():
    pairs = {"BERT-MFiT-FiT": "BERT-FiT"}
    table = beside_paper.gains(OURS, printed_errors("table-7"), pairs, "Gains", "tab")
    assert list(table.head) == ["", "TREC", "IMDb", "Yelp P.", "AG's News", "DBPedia", "mean"]
    [ours, papers] = table.rows
    assert ours == ["BERT-MFiT-FiT against BERT-FiT", "25.0", "-100.0", "–", "–", "–", "-37.5"]
    assert papers == ["paper", "–", "0.7", "3.9", "1.0", "4.2", "2.5"]  # (5.40 - 5.36) / 5.40 and so on


def test_what_was_not_run_and_why():
    experiment = LongTexts.model_validate(
        {
            "encoder": {"name": "tiny"},
            "other_languages": {"zh": {"name": "tiny"}},
            "data": [{"name": "bbc_news"}, {"name": "sogou"}],
            "window": {"length": 16},
        }
    )
    records = [key for key in experiment.runs() if key.dataset != "sogou"]
    table = beside_paper.not_run(experiment, records, printed_errors("table-2"))
    assert [row[0] for row in table.rows] == ["IMDb", "Sogou"]
    assert table.rows[0][1] == "not in this profile"
    assert table.rows[1][1].startswith("sogou is taken from a local folder only: put sogou/train.parquet")


def test_nothing_is_missing():
    experiment = LongTexts.model_validate(
        {"encoder": {"name": "tiny"}, "data": [{"name": "imdb"}], "window": {"length": 16}}
    )
    records = [RunKey(name, "head-only", 0) for name in ("imdb", "sogou")]
    assert "all data sets" in beside_paper.not_run(experiment, records, printed_errors("table-2")).text
