"""Relative error reduction with intervals: what share of a reference's errors is gone, by data set and on average."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from tcstudy.experiments.base import RunKey
from tcstudy.report.intervals import Estimate, Spread, combined, estimate, mean, paired_matrices
from tcstudy.report.stats import by_cell, estimates, spreads
from tcstudy.study.record import Record


def reduction_values(wrong: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """A matrix, shape (runs, documents), whose mean is the relative error reduction.

    It is the difference of the two over the reference's error rate, which is taken as it was found: so its interval
    excludes zero just where that of the difference in points does.

    Args:
        wrong, reference: as `intervals.paired_matrices` gives them, shape (runs, documents) each.

    Returns:
        Without rows if there is no pair of runs or the reference has no errors.
    """
    base = reference.mean() if reference.size else 0.0
    if not base:
        return np.zeros((0, 0))
    return np.subtract(reference, wrong, dtype=float) / base


def average(spreads: Sequence[Spread], shapes: Sequence[tuple[int, int]]) -> Estimate:
    """The mean over data sets, each of which counts alike, of means over runs and documents.

    The data sets are not a sample; runs and documents of one are independent of those of another.

    Args:
        spreads: of the data sets; without any the mean is not a number.
        shapes: runs and documents of each.
    """
    if not spreads:
        return mean(np.zeros((0, 0)))
    together = combined([of.times(1 / len(spreads)) for of in spreads])
    return estimate(together, min(runs for runs, _ in shapes), sum(documents for _, documents in shapes))


def values_of(records: Mapping[RunKey, Record], pairs: Mapping[str, str]) -> dict[tuple[str, str], np.ndarray]:
    """`reduction_values` of variants against what they are compared with, by data set and variant.

    Args:
        records: by data set, variant, seed and draw.
        pairs: the reference of each variant.

    Returns:
        Without the data sets that lack runs of the variant or of its reference.
    """
    cells = by_cell(records)
    return {
        (dataset, variant): reduction_values(
            *paired_matrices([*runs.values()], [*cells[dataset, pairs[variant]].values()])
        )
        for (dataset, variant), runs in cells.items()
        if variant in pairs and (dataset, pairs[variant]) in cells
    }


def reductions(records: Mapping[RunKey, Record], pairs: Mapping[str, str]) -> pd.DataFrame:
    """Relative error reduction of variants against what they are compared with.

    Args:
        records, pairs: as `values_of` takes them.

    Returns:
        One row for each pair and data set, and one for each pair with the data set "mean", its average over data sets.
        Columns variant, reference, dataset, mean, low, high, p, runs and documents.
    """
    cells = values_of(records, pairs)
    found_in, known = estimates(cells), spreads(cells)
    rows = []
    for variant, reference in pairs.items():
        of = {name: found_in[name, variant] for name, each in cells if each == variant}
        counted = [(name, variant) for name in of if (name, variant) in known]
        whole = average([known[cell] for cell in counted], [cells[cell].shape for cell in counted])
        if len(of) == 1:
            whole = replace(whole, p=np.nan)  # said already, and counted once
        for dataset, found in (of | {"mean": whole}).items():
            rows.append({"variant": variant, "reference": reference, "dataset": dataset} | vars(found))
    return pd.DataFrame(rows)
