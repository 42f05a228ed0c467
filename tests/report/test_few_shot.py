import numpy as np
import pytest

from tcstudy.experiments import FewShot
from tcstudy.report import claims, intervals
from tcstudy.report import pretraining as report

WRONG = {
    ("BERT-FiT", 4): (4, 6),
    ("BERT-ITPT-FiT", 4): (2, 3),
    ("BERT-FiT", 1000): (2, 2),
    ("BERT-ITPT-FiT", 1000): (2, 2),
}


@pytest.fixture
def experiment():
    return FewShot.model_validate(
        {
            "encoder": {"name": "tiny"},
            "data": [{"name": "imdb", "train": 1000, "validation": 20}],
            "window": {"length": 16},
            "fractions": [0.004, 1.0],
            "draws": [0, 1],
        }
    )


@pytest.fixture
def records(experiment, made_up):
    return {
        key: made_up(spec, wrong=WRONG[key.variant.split(", ")[0], spec.data.train][key.draw])
        for key, spec in experiment.runs().items()
    }


def test_errors_by_documents_by_hand(experiment, records):
    errors = report.error_by_documents(records, experiment.compared())
    assert errors["method"].tolist() == ["BERT-FiT", "BERT-ITPT-FiT"] * 2
    assert errors["labelled"].tolist() == [4, 4, 1000, 1000]
    assert errors["mean"].tolist() == pytest.approx([0.5, 0.25, 0.2, 0.2])
    assert errors["change"].tolist() == pytest.approx([np.nan, -0.25, np.nan, 0.0], nan_ok=True)
    assert set(errors["runs"]) == set(errors["draws"]) == {2}  # one run for each draw
    shares = ("0.4% of the training data", "100% of the training data")
    assert errors.set_index("variant")["reference"].dropna().to_dict() == {
        f"BERT-ITPT-FiT, {share}": f"BERT-FiT, {share}" for share in shares
    }


def test_the_reduction_is_the_share_of_the_plain_error(experiment, records):
    cells = report.reductions_by_documents(records, experiment.compared())
    assert cells["labelled"].tolist() == [4, 1000]
    assert cells[["plain", "pretrained"]].to_numpy().tolist() == [pytest.approx([0.5, 0.25]), pytest.approx([0.2, 0.2])]
    assert cells["reduction"].tolist() == pytest.approx([0.5, 0.0])
    plain, pretrained = (np.arange(10) < np.array(numbers)[:, None] for numbers in ((4, 6), (2, 3)))
    share = intervals.mean((plain * 1.0 - pretrained) / 0.5)  # the paired difference over the error without
    assert (cells["low"][0], cells["high"][0]) == pytest.approx((share.low, share.high))


def test_the_papers_errors_stand_beside_as_many_documents(experiment, records):
    errors = report.error_by_documents(records, experiment.compared())
    papers = claims.printed_few_shot()
    table = report.documents_table(records, experiment.compared(), papers.assign(**{"data.train": 4}).iloc[:2], "t")
    first, last = table.rows
    assert first[:2] == ["IMDb", "4"]
    assert [cell[:6] for cell in first[2:5]] == ["50.0% ", "25.0% ", "50.0% "]
    low, high = (f"{100 * errors[end][0]:.1f}" for end in ("low", "high"))
    assert first[2] == f"50.0% ({low}–{high})"
    assert first[5:] == ["17.26%", "9.23%"]
    assert last[1] == "1,000"
    assert [cell[:6] for cell in last[2:4]] == ["20.0% ", "20.0% "]
    assert last[4:] == ["0.0% (0.0 to 0.0)", "–", "–"]
    assert "2 draws of the training documents, 1 seed each" in table.note


def test_the_papers_smallest_subset_has_100_documents_of_imdb_and_all_are_those_of_table_6():
    papers = claims.printed_few_shot().set_index(["data.train", "pretraining.relation"])["error"]
    assert papers.groupby(level="data.train").max().to_dict() == pytest.approx({100: 0.1726, 25_000: 0.0540})


def test_what_is_found(experiment, records, made_up):
    text = report.few_shot_found(records, experiment.compared()).text
    assert "further pre-training changes the mean error from 50.0% to 25.0% with 4 labelled documents" in text
    assert "from 20.0% to 20.0% with 1,000. The relative error reduction is largest with 4: 50.0% (" in text
    assert ". No difference is significant." in text
    lost = {key: made_up(record.spec, wrong=None) for key, record in records.items()}
    assert (
        "with no number of labelled documents did runs with both encoders converge"
        in report.few_shot_found(lost, experiment.compared()).text
    )


def test_other_text_stands_beside_the_tasks_own(made_up):
    sets = [{"name": name, "train": 1000, "validation": 20} for name in ("imdb", "ag_news")]
    experiment = FewShot.model_validate(
        {"encoder": {"name": "tiny"}, "data": sets, "labelled": [100], "seeds": [0, 1, 2], "draw": "seed"}
        | {"control": True, "window": {"length": 16}}
    )
    wrong = {"BERT-FiT": (4, 5, 6), "BERT-ITPT-FiT": (2, 3, 4), "BERT-FiT after other text": (3, 4, 5)}
    records = {
        key: made_up(spec, wrong=wrong[key.variant.split(", ")[0]][key.seed]) for key, spec in experiment.runs().items()
    }
    table = report.documents_table(records, experiment.compared(), claims.printed_few_shot(), "t")
    assert table.head[2:5] == tuple(f"{name}, here" for name in wrong)
    _, imdb = table.rows
    assert [cell[:6] for cell in imdb[2:5]] == ["50.0% ", "30.0% ", "40.0% "]
    assert "; +10.0 (" in imdb[4]  # from the task's own text
    assert imdb[6:] == ["17.26%", "9.23%"]  # of 100 labels, as in the paper, which has no control
    text = report.few_shot_found(records, experiment.compared()).text
    assert text.count("After as many steps on text of another kind, the mean error and its difference") == 2
    assert "own text are 40.0% (" in text
    assert "with 100 labelled documents, +10.0 (" in text
