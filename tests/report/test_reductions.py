import numpy as np
import pytest

from tcstudy.experiments.base import RunKey
from tcstudy.report import intervals
from tcstudy.report.stats import average, reduction_values, reductions, values_of


@pytest.fixture
def records(made_up, spec):
    wrong = {
        ("imdb", "plain"): (4, 6),
        ("imdb", "better"): (2, 3),
        ("trec", "plain"): (5, 5),
        ("trec", "better"): (5, 4),
    }
    return {
        RunKey(name, variant, seed): made_up(spec.variant({"seed": seed}), number)
        for (name, variant), numbers in wrong.items()
        for seed, number in enumerate(numbers)
    }


def test_a_reduction_by_hand(records):
    found = reductions(records, {"better": "plain"}).set_index("dataset")
    assert found["mean"].to_dict() == pytest.approx({"imdb": 0.5, "trec": 0.1, "mean": 0.3})
    assert (found["low"] < found["mean"]).all()
    assert found["runs"].tolist() == [2, 2, 2]
    assert found["documents"].tolist() == [10, 10, 20]


def test_a_mean_over_one_set_is_that_set(records):
    one = {key: record for key, record in records.items() if key.dataset == "imdb"}
    alone = reductions(one, {"better": "plain"}).set_index("dataset")
    assert alone["p"].notna().to_dict() == {"imdb": True, "mean": False}  # a mean over one set is that set
    values = values_of(one, {"better": "plain"})["imdb", "better"]
    assert alone.loc["imdb", "p"] == pytest.approx(intervals.mean(values).p)
    both = reductions(records, {"better": "plain", "plain": "better"})
    assert (both["p"].notna()).all()


def test_the_interval_is_that_of_many_resampled_ratios():
    generator = np.random.default_rng(0)
    hard = generator.random(2000)
    plain, better = (hard + 0.2 * generator.random((30, 2000)) < rate for rate in (0.4, 0.3))
    ratios = []
    for _ in range(500):
        runs, documents = generator.integers(0, 30, 30), generator.integers(0, 2000, 2000)
        rates = [wrong[runs][:, documents].mean() for wrong in (better, plain)]
        ratios.append(1 - rates[0] / rates[1])
    found = intervals.mean(reduction_values(better, plain))
    assert found.mean == pytest.approx(1 - better.mean() / plain.mean())
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(ratios, (0.025, 0.975))), abs=6e-3)


def test_an_average_of_equal_sets_is_as_exact_as_all_their_documents():
    values = np.random.default_rng(1).random((1, 400)) < 0.3
    one, four = (average([intervals.spread(values)] * count, [values.shape] * count) for count in (1, 4))
    assert one == intervals.mean(values)
    assert four.mean == pytest.approx(one.mean)
    assert (four.high - four.low) == pytest.approx((one.high - one.low) / 2, rel=0.01)


def test_without_errors_or_runs_there_is_no_reduction(made_up, spec):
    assert reduction_values(np.ones((2, 5)), np.zeros((2, 5))).shape == (0, 0)
    records = {("imdb", "plain"): 0, ("imdb", "better"): 2}
    records = {RunKey(*cell, 0): made_up(spec, wrong) for cell, wrong in records.items()}
    found = reductions(records, {"better": "plain"})
    assert found[["mean", "low", "high", "p"]].isna().all(axis=None)
