from tcstudy.experiments import LongTexts
from tcstudy.experiments.base import RunKey
from tcstudy.report import beside_paper
from tcstudy.report.published import printed_errors


def test_the_papers_errors_stand_below_ours(errors_frame):
    means = {("trec", "BERT-FiT"): 0.2, ("imdb", "BERT-FiT"): 0.1}
    ours = errors_frame({cell: {"mean": mean, "low": mean / 2, "high": 2 * mean} for cell, mean in means.items()})
    table = beside_paper.errors(ours, printed_errors("table-7"), "Errors", "tab")
    assert list(table.head) == ["variant", "TREC", "IMDb", "Yelp P.", "AG's News", "DBPedia"]
    assert table.rows[:2] == [
        ["BERT-FiT", "20.0 (10.0–40.0)", "10.0 (5.0–20.0)", "–", "–", "–"],
        ["paper", "–", "5.40", "2.28", "5.25", "0.71"],
    ]
    assert table.rows[-1][:3] == ["BERT-CDPT-MFiT-FiT (paper)", "–", "4.96"]
    assert table.caption == "Errors, in percent"
    assert "test documents (TREC 10, IMDb 10)" in table.note


def test_a_run_that_diverged_is_said_and_a_corpus_is_called_by_its_title(errors_frame):
    ours = errors_frame({("trec", "imdb"): {"mean": float("nan"), "diverged": 2}})
    table = beside_paper.errors(ours, printed_errors("table-5"), "Errors", "tab")
    assert table.rows[0][:2] == ["IMDb", "did not converge"]
    assert table.rows[1][:3] == ["paper", "2.60", "4.37"]


def test_errors_stand_beside_the_papers(errors_frame):
    ours = errors_frame(
        {
            ("imdb", "head-only"): {"mean": 0.1, "low": 0.05, "high": 0.15},
            ("imdb", "head+tail"): {"mean": float("nan"), "diverged": 2},
        }
    )
    table = beside_paper.side_by_side(ours, printed_errors("table-2"), "c", "n")
    assert list(table.head) == ["variant", "IMDb, here", "IMDb, paper", "Sogou, paper"]
    assert table.rows[0] == ["head-only", "10.0% (5.0–15.0)", "5.63%", "2.58%"]
    assert table.rows[1] == ["head+tail", "did not converge", "5.42%", "2.43%"]
    assert ["tail-only", "–", "5.44%", "3.17%"] in table.rows  # not run here


def test_gains_by_hand(made_up, spec):
    wrong = {
        ("trec", "BERT-FiT"): 4,
        ("trec", "BERT-MFiT-FiT"): 3,
        ("imdb", "BERT-FiT"): 2,
        ("imdb", "BERT-MFiT-FiT"): 4,
    }
    records = {
        RunKey(name, variant, seed): made_up(spec.variant({"seed": seed}), number)
        for (name, variant), number in wrong.items()
        for seed in (0, 1)
    }
    table = beside_paper.gains(records, printed_errors("table-7"), {"BERT-MFiT-FiT": "BERT-FiT"}, "Gains", "tab")
    assert list(table.head) == ["variant", "TREC", "IMDb", "Yelp P.", "AG's News", "DBPedia", "mean"]
    [ours, papers] = table.rows
    assert [cell.split(" (")[0] for cell in ours] == [
        "BERT-MFiT-FiT against BERT-FiT",
        "25.0",
        "-100.0",
        "–",
        "–",
        "–",
        "-37.5",
    ]
    assert papers == ["paper", "–", "0.7", "3.9", "1.0", "4.2", "2.5"]  # (5.40 - 5.36) / 5.40 and so on
    assert "Of the 3 comparisons 0 have such an interval" in table.note  # ten documents show nothing


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
    assert table.rows[1][1].startswith("sogou is read from a local folder only: put sogou/train.parquet")


def test_nothing_is_missing():
    experiment = LongTexts.model_validate(
        {"encoder": {"name": "tiny"}, "data": [{"name": "imdb"}], "window": {"length": 16}}
    )
    records = [RunKey(name, "head-only", 0) for name in ("imdb", "sogou")]
    assert "all data sets" in beside_paper.not_run(experiment, records, printed_errors("table-2")).text
