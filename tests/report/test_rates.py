from types import MappingProxyType

import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from tcstudy.experiments import BaseRate, Encoders
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
    assert ((by_rate["low"] < by_rate["mean"]) & (by_rate["mean"] < by_rate["high"])).all()
    assert set(by_rate["documents"]) == {20}
    means = rates.mean_over_datasets(by_rate)
    assert means["mean"].to_dict() == pytest.approx({LOW: 0.31, MIDDLE: 0.11, HIGH: 0.21})
    assert (means["high"] - means["low"]).iloc[0] < (by_rate["high"] - by_rate["low"]).iloc[0]  # of two sets


def test_seeds_that_agree_have_the_interval_of_a_proportion(records, made_up):
    same = {key: made_up(record.spec, curve=(0.5, 0.25)) for key, record in records.items()}
    by_rate = rates.validation_by_rate(same)
    low, high = proportion_confint(5, 20, method="wilson")
    assert by_rate["low"].to_numpy() == pytest.approx(low, abs=0.03)
    assert by_rate["high"].to_numpy() == pytest.approx(high, abs=0.03)


def test_a_rate_without_errors_has_an_interval(records, made_up):
    right = {key: made_up(record.spec, curve=(0.0,)) for key, record in records.items() if key.variant == "lr 1e-4"}
    found = rates.validation_by_rate(records | right).set_index(["dataset", "variant"]).loc["bbc_news"]
    assert found.loc["lr 1e-4", ["mean", "low"]].tolist() == [0, 0]
    assert 0 < found.loc["lr 1e-4", "high"] < 1


def test_the_rate_is_chosen_by_validation_and_not_by_test_errors(records):
    by_rate = rates.validation_by_rate(records)
    low, high = rates.mean_over_datasets(by_rate).loc[MIDDLE, ["low", "high"]]
    assert low < 0.11 < high
    assert rates.chosen_rate(by_rate, {"layers": MIDDLE}, "mini").text == (
        f"lr 1e-4 has the lowest mean validation error, 11.0% ({100 * low:.1f}–{100 * high:.1f}). "
        "It is the base rate of all pages of the profile mini that fine-tune this encoder."
    )
    other = rates.chosen_rate(by_rate, {"layers": MIDDLE, "few_shot": HIGH}, "mini")
    assert other.kind == "warning"
    assert other.text.endswith("These pages of the profile mini have another base rate: few_shot (lr 1e-3).")


def test_a_rate_at_which_a_run_diverged_is_not_chosen(records, made_up):
    [key] = [key for key in records if key == ("bbc_news", "lr 1e-4", 0, 0)]
    by_rate = rates.validation_by_rate(records | {key: made_up(records[key].spec, wrong=None, curve=(0.0,))})
    means = rates.mean_over_datasets(by_rate)
    assert means.isna().all(axis=1).tolist() == [False, True, False]
    assert means.notna().all(axis=1).tolist() == [True, False, True]
    text = rates.chosen_rate(by_rate, {}, "mini").text
    assert text.startswith("lr 1e-3 has the lowest mean validation error, 21.0% (")
    assert "). It is at the edge of the rates" in text
    table = rates.validation_table(by_rate.assign(low=0.1, high=0.3), "t")
    assert table.rows[1] == ["lr 1e-4", "12.0% (10.0–30.0, 1 of 2 did not converge)", "11.0% (10.0–30.0)", "–"]
    assert "validation documents (BBC News 20, " in table.note
    lost = by_rate.assign(diverged=1)
    assert "none can be chosen" in rates.chosen_rate(lost, {}, "mini").text


def test_the_mean_over_sets_is_the_mean_of_the_runs(records):
    by_rate = rates.validation_by_rate(records)
    errors = pd.Series([rates.best_validation_error(record) for record in records.values()])
    spec_rates = [record.spec.training.learning_rate for record in records.values()]
    pd.testing.assert_series_equal(
        rates.mean_over_datasets(by_rate)["mean"], errors.groupby(spec_rates).mean(), check_names=False
    )


@pytest.fixture
def several():
    return Encoders.model_validate(
        {
            "encoder": {"name": "minilm-l6-uncased"},
            "others": [{"name": "minilm-l6-uncased", "layers": 1}],
            "data": [{"name": "bbc_news", "train": 40}, {"name": "rotten_tomatoes", "train": 40}],
            "window": {"length": 16},
            "learning_rates": [LOW, HIGH],
            "seeds": [0, 1],
        }
    )


def of_encoders(experiment, made_up, failed=MappingProxyType({})):
    """Validation errors by encoder and rate: the shallow encoder's higher rate is better, the deep one's worse."""
    best = {(None, LOW): 0.1, (None, HIGH): 0.2, (1, LOW): 0.4, (1, HIGH): 0.3}
    return {
        key: made_up(
            spec,
            wrong=failed.get((spec.encoder.layers, spec.training.learning_rate), 5),
            curve=(0.9, best[spec.encoder.layers, spec.training.learning_rate] + 0.01 * key.seed),
        )
        for key, spec in experiment.runs().items()
    }


def test_each_encoder_is_compared_at_its_own_best_rate_on_validation(several, made_up):
    records = of_encoders(several, made_up)
    whole, cut = several.titles
    assert rates.rates_of_encoders(records) == {whole: LOW, cut: HIGH}
    kept = rates.at_their_rates(records, several.titles)
    assert {key.variant for key in kept} == {"minilm-l6-uncased", "minilm-l6-uncased, 1 layer"}
    assert len(kept) == 2 * 2 * 2
    assert {
        record.spec.training.learning_rate for key, record in kept.items() if key.variant == "minilm-l6-uncased"
    } == {LOW}


def test_a_rate_at_which_a_run_of_an_encoder_failed_is_not_chosen(several, made_up):
    records = of_encoders(several, made_up, {(1, HIGH): None})
    assert rates.rates_of_encoders(records)[several.others[0]] == LOW


def test_the_table_of_encoders_shows_what_each_rate_gave(several, made_up):
    table = rates.encoders_table(of_encoders(several, made_up), several.titles, "t")
    assert [row[:4] for row in table.rows] == [
        ["minilm-l6-uncased", "6", "384", "lr 1e-5"],
        ["minilm-l6-uncased, 1 layer", "1", "384", "lr 1e-3"],
    ]
    assert table.rows[1][5].startswith("30.5% (")  # of errors of 30% and 31% on both sets


def test_a_rate_at_the_edge_of_those_tried_is_told(several, made_up):
    records = of_encoders(several, made_up)
    assert "chosen for minilm-l6-uncased and minilm-l6-uncased, 1 layer is at the edge" in (
        rates.encoders_table(records, several.titles, "t").note
    )
    low = {key: record for key, record in records.items() if record.spec.training.learning_rate == LOW}
    assert not rates.encoders_table(low, several.titles, "t").note  # with a single rate, nothing was chosen
