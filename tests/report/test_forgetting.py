import numpy as np
import pytest
from scipy import stats

from tcstudy.experiments import Forgetting
from tcstudy.experiments.base import RunKey
from tcstudy.report import forgetting as report
from tcstudy.report.cells import change_cell

LOW, HIGH = "lr 1e-4", "lr 1e-2"
WITHOUT = f"{HIGH} without bias correction"


@pytest.fixture
def experiment():
    return Forgetting.model_validate(
        {
            "encoder": {"name": "tiny"},
            "data": [{"name": "bbc_news", "train": 40}],
            "window": {"length": 16},
            "learning_rates": [1e-4, 1e-2],
            "without_bias_correction": [1e-2],
            "every": 10,
            "general_text": {"name": "rotten_tomatoes"},
            "seeds": [0, 1],
        }
    )


@pytest.fixture
def records(experiment, made_up):
    values = {
        (LOW, 0): {"wrong": 1, "curve": (0.4, 0.2), "losses": (3.0, 3.1)},
        (LOW, 1): {"wrong": 3, "curve": (0.6, 0.2), "losses": (3.0, 3.3)},
        (HIGH, 0): {"wrong": 2, "curve": (0.3, 0.1), "losses": (3.0, 5.0)},
        (HIGH, 1): {"wrong": None, "curve": (0.5,)},
        (WITHOUT, 0): {"wrong": None, "curve": ()},
        (WITHOUT, 1): {"wrong": None, "curve": ()},
    }
    return {key: made_up(spec, **values[key.variant, key.seed]) for key, spec in experiment.runs().items()}


def test_learning_curves_by_hand(records):
    curves = report.learning_curves(records)
    low = curves[curves["variant"] == LOW]
    assert low["step"].tolist() == [10, 20]
    assert low["mean"].tolist() == pytest.approx([0.5, 0.2])
    assert ((low["low"] < low["mean"]) & (low["mean"] < low["high"])).all()
    assert set(low["runs"]) == {2}
    assert set(low["documents"]) == {20}
    high = curves[curves["variant"] == HIGH]
    assert high["mean"].tolist() == pytest.approx([0.4, 0.1])  # the run that diverged has one point
    assert WITHOUT not in set(curves["variant"])
    assert curves["corrected"].all()


def test_what_was_forgotten_by_hand(experiment, records):
    cells = report.forgotten(records, experiment.compared()).set_index("variant")
    assert cells["reference"].dropna().to_dict() == {HIGH: LOW, WITHOUT: HIGH}
    assert cells.loc[LOW, ["before", "after"]].tolist() == pytest.approx([3.0, 3.2])
    half = stats.t.isf(0.025, 1) * 0.1  # of 0.1 and 0.3: a standard deviation of 0.2 / sqrt(2), over sqrt(2)
    assert cells.loc[LOW, ["forgotten", "forgotten_low", "forgotten_high"]].tolist() == pytest.approx(
        [0.2, 0.2 - half, 0.2 + half]
    )
    assert cells.loc[HIGH, "forgotten"] == pytest.approx(2.0)  # of the seed that converged
    assert np.isnan(cells.loc[HIGH, "forgotten_low"])
    assert cells["reference"].dropna().to_dict() == {HIGH: LOW, WITHOUT: HIGH}
    assert cells["failed"].to_dict() == {LOW: 0, HIGH: 1, WITHOUT: 2}
    assert cells["corrected"].to_dict() == {LOW: True, HIGH: True, WITHOUT: False}
    assert np.isnan(cells.loc[WITHOUT, "forgotten"])


def test_a_run_that_trains_no_better_than_guessing_has_failed(records, made_up):
    spec = records[RunKey("bbc_news", LOW, 0)].spec
    guessing = np.log(2)  # of two classes, equally frequent
    for last, failed in ((guessing - 0.01, False), (guessing + 0.01, True)):
        assert report.failed(made_up(spec, curve=(0.5, 0.5), training=(0.1, last))) is failed
    assert not report.failed(made_up(spec, curve=(0.5,), training=(0.6,)))
    assert report.failed(made_up(spec, wrong=None))


def test_table_and_sentences(experiment, records):
    cells = report.forgotten(records, experiment.compared()).assign(low=0.1, high=0.3)
    change = "+0.20 (−1.07 to +1.47)"  # 0.2 and 12.706 times 0.1
    error = change_cell(*cells.loc[1, ["change", "change_low", "change_high"]])
    assert report.forgetting_table(cells, "t").rows == [
        [LOW, "BBC News", "20.0% (10.0–30.0)", "0 of 2", "3.00", "3.20", change],
        [HIGH, "BBC News", f"20.0% (10.0–30.0, 1 of 2 did not converge); {error}", "1 of 2", "3.00", "5.00", "+2.00"],
        [WITHOUT, "BBC News", "did not converge", "2 of 2", "–", "–", "–"],
    ]
    text = report.forgetting_found(cells).text
    assert f"changes the MLM loss on general text by {change} nats at lr 1e-4, and by +2.00 at lr 1e-2" in text
    assert f"seeds failed at {HIGH} (1 of 2), {WITHOUT} (2 of 2)." in text
    assert f"more seeds failed without bias correction than with it at {HIGH}." in text
    fine = report.forgetting_found(cells.assign(failed=0)).text
    assert "no seed failed" in fine
    assert "at none of the learning rates that were tried both ways" in fine


def test_lines_are_sorted_by_rate_and_named_by_what_they_show(experiment, records):
    lines = report.forgotten_lines(report.forgotten(records, experiment.compared()))
    assert list(lines) == ["BBC News, with bias correction", "BBC News, without bias correction"]
    corrected = lines["BBC News, with bias correction"]
    assert corrected["rate"].tolist() == [1e-4, 1e-2]
    assert corrected["mean"].tolist() == pytest.approx([0.2, 2.0])
