import pandas as pd
import pytest

from tcstudy.experiments import BaseRate
from tcstudy.report import rates

LOW, MIDDLE, HIGH = 1e-5, 1e-4, 1e-3


@pytest.fixture
def experiment():
    return BaseRate.model_validate(
        {
            "encoder": {"name": "tiny"},
            "data": [{"name": "bbc_news", "train": 40}, {"name": "rotten_tomatoes", "train": 40}],
            "window": {"length": 16},
            "learning_rates": [LOW, MIDDLE, HIGH],
            "seeds": [0, 1],
        }
    )


@pytest.fixture
def records(experiment, made_up):
    """Validation errors by rate, the best epoch's last but one; test errors that would choose another rate."""
    best = {LOW: 0.3, MIDDLE: 0.1, HIGH: 0.2}
    wrong = {LOW: 0, MIDDLE: 9, HIGH: 5}
    return {
        key: made_up(
            spec,
            wrong=wrong[spec.training.learning_rate],
            curve=(0.9, best[spec.training.learning_rate] + 0.02 * key.seed, 0.5),
        )
        for key, spec in experiment.runs().items()
    }


def test_the_best_epochs_validation_errors_by_hand(records):
    by_rate = rates.validation_by_rate(records)
    assert by_rate["rate"].tolist() == [LOW, MIDDLE, HIGH] * 2
    assert by_rate["mean"].tolist() == pytest.approx([0.31, 0.11, 0.21] * 2)
    assert by_rate["low"].tolist() == pytest.approx([0.3, 0.1, 0.2] * 2)
    assert set(by_rate["documents"]) == {20}
    assert rates.mean_over_datasets(by_rate).to_dict() == pytest.approx({LOW: 0.31, MIDDLE: 0.11, HIGH: 0.21})


def test_the_rate_is_chosen_by_validation_and_not_by_test_errors(records):
    by_rate = rates.validation_by_rate(records)
    assert rates.chosen_rate(by_rate, {"layers": MIDDLE}, "mini").text == (
        "lr 1e-4 has the lowest mean validation error, 11.0%. It is the base rate of all pages of the profile mini "
        "that fine-tune this encoder."
    )
    other = rates.chosen_rate(by_rate, {"layers": MIDDLE, "few_shot": HIGH}, "mini")
    assert other.kind == "warning"
    assert other.text.endswith("These pages of the profile mini have another base rate: few_shot (lr 1e-3).")


def test_a_rate_at_which_a_run_diverged_is_not_chosen(records, made_up):
    [key] = [key for key in records if key == ("bbc_news", "lr 1e-4", 0, 0)]
    by_rate = rates.validation_by_rate(records | {key: made_up(records[key].spec, wrong=None, curve=(0.0,))})
    means = rates.mean_over_datasets(by_rate)
    assert means.isna().tolist() == [False, True, False]
    text = rates.chosen_rate(by_rate, {}, "mini").text
    assert text.startswith("lr 1e-3 has the lowest mean validation error, 21.0%. It is at the edge of the rates")
    table = rates.validation_table(by_rate, "t")
    assert table.rows[1] == ["lr 1e-4", "12.0% (12.0%–12.0%, 1 of 2 did not converge)", "11.0% (10.0%–12.0%)", "–"]
    lost = by_rate.assign(diverged=1)
    assert "none can be chosen" in rates.chosen_rate(lost, {}, "mini").text


def test_the_mean_over_sets_is_the_mean_of_the_runs(records):
    by_rate = rates.validation_by_rate(records)
    errors = pd.Series([rates.best_validation_error(record) for record in records.values()])
    spec_rates = [record.spec.training.learning_rate for record in records.values()]
    pd.testing.assert_series_equal(
        rates.mean_over_datasets(by_rate), errors.groupby(spec_rates).mean(), check_names=False
    )
