"""Macro-F1 and calibration beside the error, as means over test documents, so that `intervals.mean` fits them too."""

from collections.abc import Sequence

import numpy as np

from tcstudy.study.record import Predictions, Record

BINS = 15


def f1_values(labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Values whose mean is the macro-F1 of a run, linear in what each document adds to it.

    F1 of a class is 2 TP / (predicted + true); macro-F1 is its mean over the classes that are predicted or true.

    Args:
        labels: true classes, shape (documents,).
        predicted: shape (documents,).

    Returns:
        Shape (documents,).
    """
    classes = np.union1d(labels, predicted)[:, None]  # (classes, 1)
    true, found = labels == classes, predicted == classes  # (classes, documents)
    size = true.mean(axis=1, keepdims=True) + found.mean(axis=1, keepdims=True)
    f1 = 2 * (true & found).mean(axis=1, keepdims=True) / size
    values = f1 + (2.0 * (true & found) - f1 * (true * 1.0 + found)) / size
    return values.mean(axis=0)


def calibration_values(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Values whose mean is the expected calibration error of a run (Guo et al. 2017).

    Documents are put into bins of equal width by confidence. In each bin the mean confidence and the share of right
    answers differ; the error is the mean of these differences, weighted by documents. It is never zero by chance, the
    less so the fewer documents there are.

    Args:
        confidence: probability of the predicted class, shape (documents,).
        right: whether that is the true class, shape (documents,).
        bins: how many.

    Returns:
        Shape (documents,): confidence less right, with the sign of the bin's sum.
    """
    places = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = confidence - right
    return gaps * np.sign(np.bincount(places, weights=gaps, minlength=bins))[places]


def f1_matrix(records: Sequence[Record]) -> np.ndarray:
    """`f1_values` of the runs that did not diverge, shape (runs, documents)."""
    return _matrix([f1_values(test.labels.unpack(), test.predicted.unpack()) for test in _tested(records)])


def calibration_matrix(records: Sequence[Record]) -> np.ndarray:
    """`calibration_values` of the runs that did not diverge, shape (runs, documents)."""
    return _matrix([calibration_values(test.confidence.unpack() / 65535, ~test.wrong) for test in _tested(records)])


def _tested(records: Sequence[Record]) -> list[Predictions]:
    return [record.test for record in records if record.test]


def _matrix(rows: Sequence[np.ndarray]) -> np.ndarray:
    return np.stack(rows) if rows else np.zeros((0, 0))
