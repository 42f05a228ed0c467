from types import SimpleNamespace

import numpy as np
import pytest

from tcstudy.report import measured
from tcstudy.report.claim_rules import Contrast, fall, saves
from tcstudy.report.intervals import mean
from tcstudy.report.measured import Unmeasured, errors, failures, forgetting, over_datasets
from tcstudy.report.stats import reduction_values
from tcstudy.spec import RunSpec


def spec(seed=0):
    return RunSpec.model_validate(
        {"data": {"name": "imdb"}, "encoder": {"name": "tiny"}, "window": {"length": 16}, "seed": seed}
    )


def record_of(wrong, seed, **more):
    """Enough of a record for a contrast: which documents are wrong, and whose run it is."""
    test = SimpleNamespace(wrong=np.asarray(wrong, dtype=bool)) if wrong is not None else None
    return SimpleNamespace(test=test, spec=spec(seed), **more)


def variants(**wrong):
    """Cells of variants, each with a row of documents for each seed."""
    return {name: {(0, seed): record_of(row, seed) for seed, row in enumerate(rows)} for name, rows in wrong.items()}


def over(*values):
    """The effect over data sets with these values."""
    return over_datasets(dict(zip(("imdb", "trec"), values, strict=False)))


def test_a_contrast_by_hand():
    found = variants(worse=[[1, 1, 1, 0], [1, 0, 1, 0]], better=[[1, 0, 0, 0], [1, 0, 1, 0]])
    values = errors(saves("better", "worse"), found)
    assert values.shape == (2, 4)
    assert values.mean() == pytest.approx(2 / 5)  # of five errors two are saved
    effect = over(values)
    assert (effect.mean, effect.runs, effect.documents, effect.datasets) == (pytest.approx(0.4), 2, 4, ("imdb",))


def test_the_interval_is_that_of_the_relative_reduction():
    generator = np.random.default_rng(0)
    worse, better = (generator.random((3, 200)) < rate for rate in (0.3, 0.2))
    values = errors(saves("better", "worse"), variants(worse=worse, better=better))
    effect, other = over(values), mean(reduction_values(better, worse))
    assert (effect.mean, effect.low, effect.high) == pytest.approx((other.mean, other.low, other.high))
    assert effect.p == pytest.approx(other.p)


@pytest.mark.parametrize("seed", range(30))
def test_an_effect_excludes_zero_just_where_the_difference_of_a_table_does(seed):
    generator = np.random.default_rng(seed)
    worse, better = (generator.random((5, 100)) < rate for rate in (0.35, 0.27))
    effect = over(errors(saves("better", "worse"), variants(worse=worse, better=better)))
    change = mean(np.subtract(better, worse, dtype=float))
    assert (effect.low > 0, effect.high < 0) == (change.high < 0, change.low > 0)
    assert effect.p == pytest.approx(change.p)
    assert (effect.p < 0.05) == (effect.low > 0 or effect.high < 0)


def test_only_seeds_with_which_all_converged_are_compared():
    found = variants(worse=[[1, 0], [1, 1]], better=[[0, 0], [0, 1]])
    found["better"][0, 0] = record_of(None, 0)
    assert errors(saves("better", "worse"), found).mean() == pytest.approx(1 / 2)
    found["worse"][0, 1] = record_of(None, 1)
    with pytest.raises(Unmeasured, match="no seed with which all converged"):
        errors(saves("better", "worse"), found)


def test_a_reference_without_errors_tells_nothing():
    with pytest.raises(Unmeasured, match="worse makes no errors"):
        errors(saves("better", "worse"), variants(worse=[[0, 0]], better=[[0, 1]]))


def test_the_fall_is_that_of_a_line():
    places = {"a": 0.25, "b": 0.5, "c": 1.0}
    rates = {"a": 0.4, "b": 0.3, "c": 0.1}
    assert fall(places).of(rates) == pytest.approx(0.3 / 0.4)
    uneven = {"a": 0.4, "b": 0.35, "c": 0.1}
    slope, _ = np.polyfit(list(places.values()), list(uneven.values()), 1)
    assert fall(places).of(uneven) == pytest.approx(-0.75 * slope / 0.4)


def test_the_mean_over_data_sets_counts_each_alike():
    small, large = np.full((2, 10), 0.1), np.full((2, 1000), 0.3)
    effect = over(small, large)
    assert (effect.mean, effect.documents) == (pytest.approx(0.2), 1010)


def test_the_mean_of_a_single_data_set_is_that_set():
    values = np.random.default_rng(2).normal(size=(3, 50))
    one, same = over(values), over(values, values)
    assert same.mean == pytest.approx(one.mean)
    assert same.high - same.low < one.high - one.low  # two independent sets tell more than one


def test_forgetting_is_a_share_of_the_loss_before():
    def run(seed, before, after):
        return record_of([0], seed, forgetting=SimpleNamespace(before=before, after=after))

    found = {
        "low": {(0, 0): run(0, 2.0, 2.2), (0, 1): run(1, 2.0, 2.4)},
        "high": {(0, 0): run(0, 2.0, 3.0), (0, 1): run(1, 2.0, 3.0)},
    }
    values = forgetting(Contrast({"high": 1.0, "low": -1.0}, "low"), found)
    assert values.ravel().tolist() == pytest.approx([0.4, 0.3])
    effect = over(values)
    assert effect.high - effect.mean == pytest.approx(12.706 * 0.05, rel=1e-3)  # Student's t of one degree of freedom


def test_failures_have_the_exact_interval():
    diverged = {(0, seed): record_of(None, seed) for seed in range(2)}
    effect = failures(Contrast({"high": 1.0}, "high"), {"imdb": {"high": diverged}})
    assert (effect.mean, effect.low, effect.high) == pytest.approx((1.0, 0.025**0.5, 1.0))
    assert np.isnan(effect.p)


def test_the_difference_of_failures_has_newcombes_interval(monkeypatch):
    monkeypatch.setattr(measured, "failed", lambda record: record.test is None)
    cells = {"a": [None] * 56 + [[0]] * 14, "b": [None] * 48 + [[0]] * 32}
    cells = {name: {(0, seed): record_of(row, seed) for seed, row in enumerate(rows)} for name, rows in cells.items()}
    effect = failures(Contrast({"a": 1.0, "b": -1.0}, "a"), {"imdb": cells})
    # Newcombe (1998), table II, (a) with method 10: 56/70 less 48/80
    assert (effect.mean, effect.low, effect.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)
    assert effect.runs == 70
