"""Relative error reduction with intervals: what share of a reference's errors is gone, by data set and on average."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from tcstudy.experiments.base import RunKey
from tcstudy.report.intervals import LEVEL, Estimate, Spread, combined, estimate, holm, mean, paired_matrices
from tcstudy.report.stats import by_cell, estimates, spreads
from tcstudy.study.record import Record


def reduction_values(wrong: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """A matrix, shape (runs, documents), whose mean is the relative error reduction, linear in both error rates.

    Args:
        wrong, reference: as `intervals.paired_matrices` gives them, shape (runs, documents) each.

    Returns:
        Without rows if there is no pair of runs or the reference has no errors.
    """
    wrong, reference = wrong.astype(float), reference.astype(float)
    base = reference.mean() if reference.size else 0.0
    if not base:
        return np.zeros((0, 0))
    return 1 - (wrong - wrong.mean() / base * (reference - base)) / base


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


def values_of(records: Mapping[RunKey, Record], variant: str, reference: str) -> dict[str, np.ndarray]:
    """`reduction_values` of a variant against `reference` on each data set that has runs of both."""
    cells = by_cell(records)
    return {
        dataset: reduction_values(
            *paired_matrices([*runs.values()], [*cells[dataset, reference].values()]),
        )
        for (dataset, name), runs in cells.items()
        if name == variant and (dataset, reference) in cells
    }


def reductions(records: Mapping[RunKey, Record], pairs: Mapping[str, str]) -> pd.DataFrame:
    """Relative error reduction of variants against what they are compared with.

    Args:
        records: by data set, variant, seed and draw.
        pairs: the reference of each variant.

    Returns:
        One row for each pair and data set, and one for each pair with the data set "mean", its average over data sets.
        Columns variant, reference, dataset, mean, low, high, p (corrected by Holm for all rows), alike, runs and
        documents.
    """
    by_variant = {variant: values_of(records, variant, reference) for variant, reference in pairs.items()}
    cells = {(name, variant): matrix for variant, of in by_variant.items() for name, matrix in of.items()}
    references = {(name, variant): pairs[variant] for name, variant in cells}
    found_in, known = estimates(cells, references=references), spreads(cells, references)
    rows = []
    for variant, reference in pairs.items():
        values = by_variant[variant]
        counted = [(name, variant) for name in values if (name, variant) in known]
        whole = average([known[cell] for cell in counted], [cells[cell].shape for cell in counted])
        if len(values) == 1:
            whole = replace(whole, p=np.nan)  # said already
        for dataset, found in ({name: found_in[name, variant] for name in values} | {"mean": whole}).items():
            rows.append({"variant": variant, "reference": reference, "dataset": dataset} | vars(found))
    frame = pd.DataFrame(rows)
    return frame.assign(p=holm(frame["p"]), alike=lambda table: table["p"] >= 1 - LEVEL)
