"""Other metrics than the error: macro-F1, and the sources of the error's variance."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tcstudy.catalog.datasets import dataset_title
from tcstudy.experiments.base import RunKey
from tcstudy.report.cells import percent_range, with_runs
from tcstudy.report.intervals import Estimate, rate, wrong_matrix
from tcstudy.report.stats import by_cell, estimates
from tcstudy.report.tables import Fold, Table
from tcstudy.report.variance import split_of
from tcstudy.study.record import Record


def beside_error(records: Mapping[RunKey, Record], page: str) -> Fold:
    """Error, macro-F1 and standard deviations, one row for each data set and variant."""
    cells = {cell: [*runs.values()] for cell, runs in by_cell(records).items()}
    measures = (
        estimates({cell: wrong_matrix(runs) for cell, runs in cells.items()}, rate),
        estimates({cell: f1_matrix(runs) for cell, runs in cells.items()}, rate),
    )
    rows = []
    for (dataset, variant), runs in cells.items():
        variances = split_of(runs)
        rows.append(
            [
                dataset_title(variant),
                dataset_title(dataset),
                *(with_runs(_cell(of[dataset, variant]), [run.id for run in runs]) for of in measures),
                *(_points(variance) for variance in (variances.seed, variances.draw, variances.test)),
            ]
        )
    head = ("variant", "data set", "error", "macro-F1", "seed", "draw", "test documents")
    note = (
        "95% intervals in brackets. The last three columns are standard deviations of one run's error, in points: over "
        "seeds, over draws of the training documents, and over samples of as many test documents. A dash means that "
        "one seed or one draw cannot show it. Where each draw has a single seed, the effect of the seed is part of "
        "that of the draw."
    )
    caption = "Error, macro-F1, and sources of variance of one run's error"
    table = Table(head, rows, caption, f"beside-error-{page}", note)
    return Fold("Other metrics and sources of variance", [table], "beside-error")


def f1_values(labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Values for each document whose mean is the macro-F1 of a run, linearised in each document's contribution.

    F1 of a class is 2 TP / (predicted + true); macro-F1 is its mean over the classes that occur among either.

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
    tests = [record.test for record in records if record.test]
    rows = [f1_values(test.labels.unpack(), test.predicted.unpack()) for test in tests]
    return np.stack(rows) if rows else np.zeros((0, 0))


def _cell(estimate: Estimate) -> str:
    return "–" if np.isnan(estimate.mean) else percent_range(pd.Series(vars(estimate)))


def _points(variance: float) -> str:
    """A variance of shares as a standard deviation in percentage points."""
    return "–" if np.isnan(variance) else f"{100 * np.sqrt(variance):.1f}"
