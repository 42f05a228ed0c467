"""Macro-F1 as a mean over test documents, so that the intervals of errors are its own, too."""

from collections.abc import Sequence

import numpy as np

from tcstudy.study.record import Record


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


def f1_matrix(records: Sequence[Record]) -> np.ndarray:
    """`f1_values` of the runs that did not diverge, shape (runs, documents)."""
    rows = [f1_values(run.test.labels.unpack(), run.test.predicted.unpack()) for run in records if run.test]
    return np.stack(rows) if rows else np.zeros((0, 0))
