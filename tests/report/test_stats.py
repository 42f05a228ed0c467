import numpy as np
import pandas as pd
import pytest

from tcstudy.experiments.base import RunKey
from tcstudy.report import stats
from tcstudy.report.published import printed_errors
from tcstudy.study.record import Predictions
from tcstudy.study.run import run

PARTS = {"head-only": 0.2, "tail-only": 0.4}


def runs(errors: dict[tuple[str, int], float]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "dataset": "d",
                "variant": variant,
                "seed": seed,
                "error": error,
                "documents": 10,
                "seconds": 2.0,
            }
            for (variant, seed), error in errors.items()
        ]
    )


def test_spread_over_seeds_by_hand():
    spread = stats.spread_over_seeds(runs({("b", 0): 0.1, ("b", 1): 0.3, ("a", 0): 0.5, ("a", 1): np.nan}))
    assert spread["variant"].tolist() == ["b", "a"]  # in the order of the runs
    assert spread["mean"].tolist() == pytest.approx([0.2, 0.5])
    assert spread["low"].tolist() == pytest.approx([0.1, 0.5])
    assert spread["high"].tolist() == pytest.approx([0.3, 0.5])
    assert spread["diverged"].tolist() == [0, 1]
    assert spread["seeds"].tolist() == [2, 2]


@pytest.fixture
def records(spec):
    """Two variants of one real record whose predictions are made up: long documents are classified wrongly."""
    record = run(spec)
    lengths = np.arange(8) * 10
    right = np.tile([1.0, 0.0], (8, 1))
    wrong_from = {"head-only": 4, "tail-only": 8}
    return {
        RunKey("bbc_news", variant, seed): record.model_copy(
            update={"test": Predictions.pack((np.arange(8) >= first).astype(int), right, lengths)}
        )
        for variant, first in wrong_from.items()
        for seed in (0, 1)
    }


def test_outcomes_are_one_row_a_run(records):
    frame = stats.outcomes(records)
    assert frame[["variant", "seed"]].to_numpy().tolist() == [
        ["head-only", 0],
        ["head-only", 1],
        ["tail-only", 0],
        ["tail-only", 1],
    ]
    assert frame["error"].tolist() == [0.5, 0.5, 0.0, 0.0]
    assert set(frame["documents"]) == {8}


def test_error_by_length_by_hand(records):
    bins = stats.error_by_length(records, bins=4)
    head = bins[bins["variant"] == "head-only"]
    assert head["shortest"].tolist() == [0, 20, 40, 60]
    assert head["longest"].tolist() == [10, 30, 50, 70]
    assert head["documents"].tolist() == [2, 2, 2, 2]
    assert head["error"].tolist() == [0, 0, 1, 1]
    assert set(bins[bins["variant"] == "tail-only"]["error"]) == {0.0}


def test_bins_average_to_the_error_rate(records):
    bins = stats.error_by_length(records, bins=3)
    means = bins.assign(weighted=bins["error"] * bins["documents"]).groupby("variant")[["weighted", "documents"]].sum()
    frame = stats.outcomes(records).groupby("variant")["error"].mean()
    pd.testing.assert_series_equal(means["weighted"] / means["documents"], frame, check_names=False)


def test_without_predictions_there_are_no_bins(records):
    lost = {key: record.model_copy(update={"test": None}) for key, record in records.items()}
    assert stats.error_by_length(lost).empty
    assert stats.outcomes(lost)["error"].isna().all()


def test_lengths_by_hand():
    summary = stats.length_summary(np.array([1, 2, 9]), limit=2)
    assert summary == {"mean": 4.0, "longest": 9, "long": pytest.approx(1 / 3)}


def test_error_reduction_by_hand():
    spread = stats.spread_over_seeds(
        pd.concat(
            runs({("plain", 0): plain, ("plain", 1): plain, ("better", 0): 0.1, ("better", 1): 0.2}).assign(
                dataset=name
            )
            for name, plain in (("e", 0.3), ("d", 0.1))
        )
    )
    matrix = stats.error_matrix(spread)
    assert list(matrix.columns) == ["e", "d"]  # in the order of the runs
    assert list(matrix.index) == ["plain", "better"]
    assert stats.error_reduction(matrix, "plain").loc["better"].tolist() == pytest.approx([0.5, -0.5])


def test_printed_errors_as_a_matrix():
    matrix = stats.printed_matrix(printed_errors("table-7"))
    assert matrix.shape == (4, 4)
    assert matrix.loc["BERT-MFiT-FiT", "yelp_polarity"] == pytest.approx(0.0219)
