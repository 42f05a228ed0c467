import numpy as np
import pytest
from sklearn.metrics import f1_score

from tcstudy.report.macro_f1 import f1_matrix, f1_values


def test_the_mean_is_scikit_learns_macro_f1():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 5, 200)
    predicted = np.where(generator.random(200) < 0.7, labels, generator.integers(0, 6, 200))  # one class is never true
    assert f1_values(labels, predicted).mean() == pytest.approx(f1_score(labels, predicted, average="macro"))


def test_no_runs_have_no_values():
    assert f1_matrix([]).shape == (0, 0)
