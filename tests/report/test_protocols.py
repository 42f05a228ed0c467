import numpy as np
import pytest

from tcstudy.experiments.base import RunKey
from tcstudy.report import intervals, protocols
from tcstudy.report.stats import errors

BASELINES = {"A, changed": "A", "B, changed": "B"}


@pytest.fixture
def records(made_up, spec):
    wrong = {"A": (4, 6), "A, changed": (2, 6), "B": (2, None), "B, changed": (3, 1)}
    return {
        RunKey("imdb", variant, seed): made_up(spec.variant({"seed": seed}), number)
        for variant, numbers in wrong.items()
        for seed, number in enumerate(numbers)
    }


@pytest.fixture
def frame(errors_frame):
    compared = {"reference": "A", "change": -0.06, "change_low": -0.1, "change_high": -0.02, "p": 0.01, "differs": True}
    open_change = {"change": 0.05, "change_low": -0.05, "change_high": 0.15, "p": 0.3}
    return errors_frame(
        {
            ("imdb", "A"): {"mean": 0.25, "low": 0.2, "high": 0.3},
            ("imdb", "A, changed"): {"mean": 0.19, "low": 0.1, "high": 0.28} | compared,
            ("imdb", "B, changed"): {"reference": "B"} | open_change,
        }
    )


def test_differences_are_paired_by_seed(records):
    against = protocols.differences(errors(records, BASELINES)).set_index("variant")
    assert against.index.tolist() == list(BASELINES)
    assert against["mean"].to_dict() == pytest.approx(
        {"A, changed": -0.1, "B, changed": 0.1}
    )  # B's other seed diverged


def test_one_comparison_has_the_interval_of_its_paired_differences(records):
    two = {key: record for key, record in records.items() if key.variant.startswith("A")}
    [row] = protocols.differences(errors(two, BASELINES)).to_dict("records")
    wrong = [np.array([two["imdb", name, seed, 0].test.wrong for seed in (0, 1)]) for name in ("A, changed", "A")]
    found = intervals.mean(np.subtract(*wrong, dtype=float))
    assert (row["mean"], row["low"], row["high"], row["p"]) == pytest.approx(
        (found.mean, found.low, found.high, found.p)
    )


def test_a_variant_against_itself_differs_by_nothing(records):
    plain = {key: record for key, record in records.items() if key.variant in ("A", "B")}
    same = {key._replace(variant=f"{key.variant}, changed"): record for key, record in plain.items()}
    found = errors(plain | same, BASELINES)
    assert protocols.differences(found)[["mean", "low", "high"]].to_numpy().ravel().tolist() == [0.0] * 6
    text = protocols.released_found(found).text
    assert "Identical on every document: A, changed (0.0); B, changed (0.0)." in text


def test_table_and_sentences(frame):
    table = protocols.differences_table(frame, "t")
    assert table.rows == [
        ["A", "IMDb", "25.0% (20.0–30.0)"],
        ["A, changed", "IMDb", "19.0% (10.0–28.0); −6.0 (−10.0 to −2.0)"],
        ["B, changed", "IMDb", "20.0% (10.0–30.0); +5.0 (−5.0 to +15.0)"],
    ]
    assert "Of the 2 comparisons 1 have such an interval" in table.note
    assert protocols.released_found(frame).text == (
        "IMDb, in points against the clean run. Significantly lower: A, changed (−6.0). "
        "No significant difference: B, changed (+5.0)."
    )
    assert "Significantly higher: A, changed (+6.0)." in protocols.released_found(frame.assign(change=0.06)).text
    single = protocols.released_found(frame.assign(runs=1))
    assert single.text.endswith("These are runs of a single seed; another seed may give other errors.")


def test_nothing_that_converged_is_said(records, made_up):
    lost = {key: made_up(record.spec, wrong=None) for key, record in records.items()}
    assert "No pair of runs converged" in protocols.released_found(errors(lost, BASELINES)).text
