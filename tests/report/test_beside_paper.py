from tcstudy.experiments import LongTexts
from tcstudy.experiments.base import RunKey
from tcstudy.report import beside_paper
from tcstudy.report.published import printed_errors


def test_ours_and_the_papers_stand_in_one_row(errors_frame):
    means = {("trec", "BERT-FiT"): 0.2, ("imdb", "BERT-FiT"): 0.1}
    ours = errors_frame({cell: {"mean": mean, "low": mean / 2, "high": 2 * mean} for cell, mean in means.items()})
    table = beside_paper.errors(ours, printed_errors("table-7"), "Errors", "tab")
    assert list(table.head) == ["data set", "variant", "here", "paper"]
    assert table.rows[0] == ["TREC", "BERT-FiT", "20.0 (10.0–40.0)", "–"]
    assert table.rows[1] == ["IMDb", "BERT-FiT", "10.0 (5.0–20.0)", "5.40"]
    assert table.rows[-1] == ["IMDb", "BERT-CDPT-MFiT-FiT", "–", "4.96"]
    assert {row[0] for row in table.rows} == {"TREC", "IMDb"}  # what was not run stands elsewhere
    assert table.caption == "Errors, in percent"
    assert "test documents (TREC 10, IMDb 10)" in table.note


def test_a_run_that_diverged_is_said_and_a_corpus_is_called_by_its_title(errors_frame):
    ours = errors_frame({("trec", "imdb"): {"mean": float("nan"), "diverged": 2}})
    table = beside_paper.errors(ours, printed_errors("table-5"), "Errors", "tab")
    assert table.rows[0] == ["TREC", "IMDb", "did not converge", "2.60"]


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
    assert list(table.head) == ["data set", "comparison", "here", "paper"]
    assert {row[1] for row in table.rows} == {"BERT-MFiT-FiT against BERT-FiT"}
    assert [(row[0], row[2].split(" (")[0], row[3]) for row in table.rows] == [
        ("TREC", "25.0", "–"),
        ("IMDb", "−100.0", "0.7"),  # (5.40 - 5.36) / 5.40
        ("mean", "−37.5", "2.5"),
    ]
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
    assert table.rows[0][1] == "not on this page"
    assert table.rows[0][2].startswith("head-only 5.63; ")
    assert table.rows[1][1].startswith("sogou is read from a local folder only: put sogou/train.parquet")


def test_nothing_is_missing():
    experiment = LongTexts.model_validate(
        {"encoder": {"name": "tiny"}, "data": [{"name": "imdb"}], "window": {"length": 16}}
    )
    records = [RunKey(name, "head-only", 0) for name in ("imdb", "sogou")]
    assert "all data sets" in beside_paper.not_run(experiment, records, printed_errors("table-2")).text
