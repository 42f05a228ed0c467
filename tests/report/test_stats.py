import numpy as np
import pytest

from tcstudy.experiments.base import RunKey
from tcstudy.report import intervals, stats
from tcstudy.report.published import printed_errors
from tcstudy.study.record import Predictions
from tcstudy.study.run import run


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


@pytest.fixture
def cells(made_up, spec):
    """Two seeds of `plain`, `better` and `lost`, all seeds of which diverged; how many of ten documents were wrong."""
    wrong = {"plain": (4, 6), "better": (2, 3), "lost": (None, None)}
    return {
        RunKey("bbc_news", variant, seed): made_up(spec.variant({"seed": seed}), number)
        for variant, numbers in wrong.items()
        for seed, number in enumerate(numbers)
    }


def test_errors_are_one_row_a_cell(cells):
    errors = stats.errors(cells, reference="plain").set_index("variant")
    assert errors.index.tolist() == ["plain", "better", "lost"]  # in the order of the runs
    assert errors["mean"].tolist() == pytest.approx([0.5, 0.25, np.nan], nan_ok=True)
    assert errors["change"].tolist() == pytest.approx([np.nan, -0.25, np.nan], nan_ok=True)
    assert errors["diverged"].tolist() == [0, 0, 2]
    assert errors["documents"].tolist() == [10, 10, 0]
    assert errors["reference"].isna().tolist() == [True, False, False]
    assert set(errors["runs"]) == set(errors["seeds"]) == {2}
    assert set(errors["draws"]) == {1}
    assert errors.loc["better", "ids"] == tuple(cells["bbc_news", "better", seed, 0].id for seed in (0, 1))
    inside = errors.drop(index="lost")
    assert ((inside["low"] < inside["mean"]) & (inside["mean"] < inside["high"])).all()
    assert errors["differs"].tolist() == [False, bool(errors.loc["better", "p"] < 0.05), False]


def test_what_is_compared_may_differ_by_variant(cells):
    errors = stats.errors(cells, reference={"plain": "better", "better": "nowhere"}).set_index("variant")
    assert errors.loc["plain", "change"] == pytest.approx(0.25)
    assert errors["p"].notna().tolist() == [True, False, False]


def test_a_single_variant_has_the_interval_of_its_own(cells):
    alone = {key: record for key, record in cells.items() if key.variant == "plain"}
    [row] = stats.errors(alone).to_dict("records")
    own = intervals.error(np.array([record.test.wrong for record in alone.values()]))
    assert (row["mean"], row["low"], row["high"]) == pytest.approx((own.mean, own.low, own.high))


def test_error_by_length_by_hand(records):
    bins = stats.error_by_length(records, bins=4)
    head = bins[bins["variant"] == "head-only"]
    assert head["shortest"].tolist() == [0, 20, 40, 60]
    assert head["longest"].tolist() == [10, 30, 50, 70]
    assert head["documents"].tolist() == [2, 2, 2, 2]
    assert head["mean"].tolist() == [0, 0, 1, 1]
    assert head["low"].tolist()[:2] == [0, 0]
    assert head["high"].tolist()[2:] == [1, 1]
    assert set(bins[bins["variant"] == "tail-only"]["mean"]) == {0.0}


def test_bins_average_to_the_error_rate(records):
    bins = stats.error_by_length(records, bins=3)
    means = bins.assign(weighted=bins["mean"] * bins["documents"]).groupby("variant")[["weighted", "documents"]].sum()
    assert (means["weighted"] / means["documents"]).to_dict() == {"head-only": 0.5, "tail-only": 0.0}


def test_documents_of_one_length_are_one_bin(records, monkeypatch):
    monkeypatch.setattr(stats, "lengths_of", lambda record: np.full(8, 12))
    bins = stats.error_by_length(records, bins=4)
    assert bins[["variant", "shortest", "longest", "documents"]].to_numpy().tolist() == [
        ["head-only", 12, 12, 8],
        ["tail-only", 12, 12, 8],
    ]


def test_without_predictions_there_are_no_bins(records):
    lost = {key: record.model_copy(update={"test": None}) for key, record in records.items()}
    assert stats.error_by_length(lost).empty
    errors = stats.errors(lost, reference="head-only")
    assert errors[["mean", "low", "high", "change", "p"]].isna().all(axis=None)
    assert not errors["differs"].any()


def test_lengths_by_hand():
    summary = stats.length_summary(np.array([1, 2, 9]), limit=2)
    assert summary == {"mean": 4.0, "longest": 9, "long": pytest.approx(1 / 3)}


def test_error_reduction_by_hand(errors_frame):
    means = {("e", "plain"): 0.3, ("e", "better"): 0.15, ("d", "plain"): 0.1, ("d", "better"): 0.15}
    errors = errors_frame({cell: {"mean": mean} for cell, mean in means.items()})
    matrix = stats.error_matrix(errors)
    assert list(matrix.columns) == ["e", "d"]  # in the order of the runs
    assert list(matrix.index) == ["plain", "better"]
    assert stats.error_reduction(matrix, "plain").loc["better"].tolist() == pytest.approx([0.5, -0.5])


def test_printed_errors_as_a_matrix():
    matrix = stats.printed_matrix(printed_errors("table-7"))
    assert matrix.shape == (4, 4)
    assert matrix.loc["BERT-MFiT-FiT", "yelp_polarity"] == pytest.approx(0.0219)
