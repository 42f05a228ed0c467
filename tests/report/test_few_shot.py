import pytest

from tcstudy.experiments import FewShot
from tcstudy.report import few_shot as report
from tcstudy.report.published import printed_errors
from tcstudy.report.stats import outcomes

WRONG = {
    ("BERT-FiT", 4): (4, 6),
    ("BERT-ITPT-FiT", 4): (2, 3),
    ("BERT-FiT", 1000): (2, 2),
    ("BERT-ITPT-FiT", 1000): (2, 2),
}


@pytest.fixture
def records(made_up):
    experiment = FewShot.model_validate(
        {
            "encoder": {"name": "tiny"},
            "data": [{"name": "imdb", "train": 1000, "validation": 20}],
            "window": {"length": 16},
            "fractions": [0.004, 1.0],
            "draws": [0, 1],
        }
    )
    return {
        key: made_up(spec, wrong=WRONG[key.variant.split(", ")[0], spec.data.train][key.draw])
        for key, spec in experiment.runs().items()
    }


def test_errors_by_documents_by_hand(records):
    spread = report.error_by_documents(records)
    assert spread["method"].tolist() == ["BERT-FiT", "BERT-ITPT-FiT"] * 2
    assert spread["labelled"].tolist() == [4, 4, 1000, 1000]
    assert spread["subset"].tolist() == ["0.4% of the training data"] * 2 + ["100% of the training data"] * 2
    assert spread["mean"].tolist() == pytest.approx([0.5, 0.25, 0.2, 0.2])
    assert spread["low"].tolist() == pytest.approx([0.4, 0.2, 0.2, 0.2])
    assert set(spread["seeds"]) == {2}  # one run for each draw


def test_the_reduction_is_the_share_of_the_plain_error(records):
    cells = report.reductions(report.error_by_documents(records))
    assert cells["labelled"].tolist() == [4, 1000]
    assert cells["reduction"].tolist() == pytest.approx([0.5, 0.0])
    runs = outcomes(records)
    plain = runs[runs["variant"].str.startswith("BERT-FiT, 0.4%")]["error"].sum()
    pretrained = runs[runs["variant"].str.startswith("BERT-ITPT-FiT, 0.4%")]["error"].sum()
    assert cells["reduction"][0] == pytest.approx((plain - pretrained) / plain)


def test_the_papers_errors_stand_beside_the_same_share(records):
    table = report.documents_table(report.error_by_documents(records), printed_errors("figure-4"), "t")
    first, last = table.rows
    assert first[2:6] == ["4", "50.0% (40.0%–60.0%)", "25.0% (20.0%–30.0%)", "50.0%"]
    assert first[6:] == ["17.26%", "9.23%"]
    assert last[2:] == ["1,000", "20.0% (20.0%–20.0%)", "20.0% (20.0%–20.0%)", "0.0%", "–", "–"]


def test_what_is_found(records, made_up):
    text = report.few_shot_found(report.error_by_documents(records)).text
    assert "with 4 labelled documents further pre-training changes the mean error from 50.0% to 25.0%" in text
    assert "with 1,000 from 20.0% to 20.0%. The relative reduction is largest, 50.0%, with 4." in text
    lost = {key: made_up(record.spec, wrong=None) for key, record in records.items()}
    assert "no subset has runs that converged" in report.few_shot_found(report.error_by_documents(lost)).text
