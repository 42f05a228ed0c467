import numpy as np
import pytest
from sklearn.metrics import f1_score

from tcstudy.experiments.base import RunKey
from tcstudy.report import intervals
from tcstudy.report.quality import beside_error, f1_matrix, f1_values


def cells_of(made_up, spec, wrong):
    records = {
        RunKey("imdb", "a", seed, draw): made_up(spec.variant({"seed": seed, "data.draw": draw}), number)
        for (seed, draw), number in wrong.items()
    }
    fold = beside_error(records, "page")
    assert fold.anchor == "beside-error"
    return dict(zip(fold.tables[0].head, fold.tables[0].rows[0], strict=True))


def test_a_row_by_hand(made_up, spec):
    row = cells_of(made_up, spec, {(0, 0): 2, (1, 0): 4})
    found = intervals.error(np.arange(10) < np.array([[2], [4]]))
    assert row["error"] == f"30.0% ({100 * found.low:.1f}–{100 * found.high:.1f})"
    assert row["macro-F1"].startswith("70.0% (")  # as many of both classes are wrong, so it is the accuracy
    # test documents: (0.2 * 0.8 + 0.4 * 0.6) / 2 / 9 is 0.149 squared
    assert row["test documents"] == "14.9"
    # seeds: rates 0.2 and 0.4 have the variance 0.02, less what chance adds
    wrong = np.arange(10) < np.array([[2], [4]])
    rest = wrong - wrong.mean(axis=0) - wrong.mean(axis=1, keepdims=True) + 0.3
    assert row["seed"] == f"{100 * np.sqrt(0.02 - np.sum(rest**2) / 9 / 10):.1f}"
    assert row["draw"] == "–"


def test_one_seed_tells_neither_seeds_nor_draws(made_up, spec):
    row = cells_of(made_up, spec, {(0, 0): 3})
    assert (row["seed"], row["draw"]) == ("–", "–")
    assert row["test documents"] == f"{100 * np.sqrt(0.21 / 9):.1f}"


def test_a_cell_without_a_run_that_converged_has_dashes(made_up, spec):
    row = cells_of(made_up, spec, {(0, 0): None})
    assert [*row.values()][2:] == ["–"] * 5


@pytest.mark.parametrize("name", ["error", "macro-F1"])
def test_a_cell_shows_its_runs(made_up, spec, name):
    assert f"run {spec.id}" in cells_of(made_up, spec, {(0, 0): 1})[name].html


def test_macro_f1_by_hand():
    # class 0: 1 of 2 found, 1 of 1 predicted; class 1: 1 of 1 found, 1 of 2 predicted: both 2/3
    assert f1_values(np.array([0, 0, 1]), np.array([0, 1, 1])).mean() == pytest.approx(2 / 3)


def test_macro_f1_is_that_of_scikit_learn():
    generator = np.random.default_rng(0)
    for classes in (2, 5, 14):
        labels, predicted = generator.integers(0, classes, (2, 300))
        assert f1_values(labels, predicted).mean() == pytest.approx(f1_score(labels, predicted, average="macro"))
    missing = np.array([0, 0, 1]), np.array([0, 3, 3])  # a class that is predicted only, one that is true only
    assert f1_values(*missing).mean() == pytest.approx(f1_score(*missing, average="macro", zero_division=0))


def test_the_values_of_f1_have_its_variance():
    generator = np.random.default_rng(1)
    means, errors = [], []
    for _ in range(400):
        labels = generator.integers(0, 3, 500)
        predicted = np.where(generator.random(500) < 0.3, generator.integers(0, 3, 500), labels)
        values = f1_values(labels, predicted)
        means.append(values.mean())
        errors.append(values.std(ddof=1) / np.sqrt(500))
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.1)


def test_a_matrix_has_a_row_for_each_run_that_did_not_diverge(made_up, spec):
    runs = [made_up(spec.variant({"seed": seed}), wrong) for seed, wrong in enumerate((0, None, 3))]
    assert f1_matrix(runs).shape == (2, 10)
    assert f1_matrix(runs).mean(axis=1)[0] == 1
    assert f1_matrix(runs[1:2]).shape == (0, 0)
