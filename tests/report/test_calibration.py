import numpy as np
import pytest
from sklearn.metrics import f1_score

from tcstudy.report.calibration import calibration_matrix, calibration_values, f1_matrix, f1_values


def expected_calibration_error(confidence, right, bins):
    """The sum over bins of the share of documents times how far apart confidence and accuracy are."""
    found = 0.0
    for number in range(bins):
        last = number == bins - 1
        inside = [
            place
            for place, value in enumerate(confidence)
            if number / bins <= value and (value < (number + 1) / bins or last)
        ]
        if inside:
            gap = abs(np.mean([confidence[place] for place in inside]) - np.mean([right[place] for place in inside]))
            found += len(inside) / len(confidence) * gap
    return found


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


def test_calibration_by_hand():
    # one bin: confidence 0.9 and half are right; another: 0.6 and all are right
    values = calibration_values(np.array([0.9, 0.9, 0.6, 0.6]), np.array([True, False, True, True]), bins=2)
    assert values.mean() == pytest.approx(abs(0.75 - 0.75))  # both in the upper of two bins
    values = calibration_values(np.array([0.9, 0.9, 0.6, 0.6]), np.array([True, False, True, True]), bins=4)
    assert values.mean() == pytest.approx(0.5 * 0.4 + 0.5 * 0.4)


def test_calibration_is_that_of_a_loop_over_bins():
    generator = np.random.default_rng(2)
    confidence = np.append(generator.uniform(0.2, 1, 400), 1.0)
    right = generator.random(401) < confidence**2
    for bins in (1, 10, 15):
        expected = expected_calibration_error(confidence.tolist(), right.tolist(), bins)
        assert calibration_values(confidence, right, bins).mean() == pytest.approx(expected)


def test_who_is_sure_and_right_is_calibrated_and_order_does_not_matter():
    assert calibration_values(np.ones(5), np.ones(5, dtype=bool)).mean() == 0
    assert calibration_values(np.ones(5), np.zeros(5, dtype=bool)).mean() == 1
    generator = np.random.default_rng(3)
    confidence, right = generator.random(50), generator.random(50) < 0.5
    order = generator.permutation(50)
    assert calibration_values(confidence[order], right[order]).mean() == pytest.approx(
        calibration_values(confidence, right).mean()
    )


def test_a_matrix_has_a_row_for_each_run_that_did_not_diverge(made_up, spec):
    runs = [made_up(spec.variant({"seed": seed}), wrong) for seed, wrong in enumerate((0, None, 3))]
    assert f1_matrix(runs).shape == calibration_matrix(runs).shape == (2, 10)
    assert f1_matrix(runs).mean(axis=1)[0] == 1
    assert calibration_matrix(runs).mean(axis=1) == pytest.approx([0, 0.3])  # sure of all ten, three are wrong
    assert f1_matrix(runs[1:2]).shape == (0, 0)
