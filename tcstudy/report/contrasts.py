"""Weighted sums of variants' error rates, and what they are in records and in the paper's tables."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from tcstudy.report.forgetting import failed
from tcstudy.report.intervals import LEVEL, spread, wrong_matrix
from tcstudy.report.stats import average
from tcstudy.study.record import Record

Cell = Mapping[tuple[int, int], Record]
"""The runs of one variant on one data set, by draw and seed."""


class Unmeasured(Exception):
    """Why records do not tell an effect."""


@dataclass(frozen=True)
class Contrast:
    """A weighted sum of the rates of some variants, told as a share of the rate of `reference`.

    >>> Contrast({"plain": 1, "better": -1}, "plain").of({"plain": 0.5, "better": 0.25})
    0.5
    """

    weights: Mapping[str, float]
    reference: str

    def of(self, rates: Mapping[str, float]) -> float:
        """Its value for the rates of all variants that it weighs."""
        return sum(weight * rates[name] for name, weight in self.weights.items()) / rates[self.reference]


@dataclass(frozen=True)
class Effect:
    """A share with its 95% interval, from so many runs of each variant and test documents of so many data sets.

    `p` is the two-sided p-value of no effect; not a number for a share of runs. The interval excludes zero if and only
    if p < 0.05.
    """

    mean: float
    low: float
    high: float
    p: float
    runs: int
    documents: int
    datasets: tuple[str, ...]


def saves(better: str, worse: str) -> Contrast:
    """The share of the errors of `worse` that `better` does not make."""
    return Contrast({worse: 1.0, better: -1.0}, worse)


def fall(places: Mapping[str, float]) -> Contrast:
    """By how much the error falls from the first place to the last along the line of best fit; one place each variant.

    >>> fall({"a": 0, "b": 1, "c": 2}).weights
    {'a': 1.0, 'b': -0.0, 'c': -1.0}
    """
    where = np.array(list(places.values()), dtype=float)
    centred = where - where.mean()
    weights = -centred * np.ptp(where) / np.sum(centred**2)
    return Contrast(dict(zip(places, weights.tolist(), strict=True)), min(places, key=places.__getitem__))


def errors(contrast: Contrast, cells: Mapping[str, Cell]) -> np.ndarray:
    """Values whose mean is a contrast of test errors on one data set, of the same documents, draws and seeds.

    They are weighted sums of errors over the reference's error rate, which is taken as it was found. So the interval of
    a pair is that of its difference in points, on another scale: it excludes zero just where the page's table does.

    Returns:
        Shape (runs, documents).

    Raises:
        Unmeasured: not all converged with any seed, or the reference has no errors.
    """
    pairs = _converged(contrast, cells)
    if not pairs:
        raise Unmeasured("there is no seed with which all converged")
    runs = {name: [cells[name][pair] for pair in pairs] for name in contrast.weights}
    wrong = {name: wrong_matrix(runs[name], [*runs.values()]).astype(float) for name in contrast.weights}
    rate = wrong[contrast.reference].mean()
    if not rate:
        raise Unmeasured(f"{contrast.reference} makes no errors")
    return sum(weight * wrong[name] for name, weight in contrast.weights.items()) / rate


def forgetting(contrast: Contrast, cells: Mapping[str, Cell]) -> np.ndarray:
    """Values whose mean is a contrast of how much fine-tuning raises the MLM loss, as a share of the loss before.

    Returns:
        Shape (runs, 1).

    Raises:
        Unmeasured: it was not measured with any seed.
    """
    pairs = [
        pair for pair in _converged(contrast, cells) if all(cells[name][pair].forgetting for name in contrast.weights)
    ]
    if not pairs:
        raise Unmeasured("there is no seed with which forgetting was measured")
    return np.array(
        [[sum(weight * _rise(cells[name][pair]) for name, weight in contrast.weights.items())] for pair in pairs]
    )


def _rise(record: Record) -> float:
    return record.forgetting.after / record.forgetting.before - 1


def _converged(contrast: Contrast, cells: Mapping[str, Cell]) -> list[tuple[int, int]]:
    """Draws and seeds with which every variant of the contrast has a run that did not diverge."""
    runs = [{pair for pair, record in cells[name].items() if record.test} for name in contrast.weights]
    return sorted(set.intersection(*runs))


def over_datasets(values: Mapping[str, np.ndarray]) -> Effect:
    """The mean over data sets, of which each counts alike; their runs and documents are independent.

    Args:
        values: of each data set, shape (runs, documents).
    """
    found = average([spread(matrix) for matrix in values.values()], [matrix.shape for matrix in values.values()])
    return Effect(found.mean, found.low, found.high, found.p, found.runs, found.documents, tuple(values))


def failures(contrast: Contrast, by_dataset: Mapping[str, Mapping[str, Cell]]) -> Effect:
    """The share of runs on all data sets that failed (`forgetting.failed`), of one variant or less that of another.

    The interval of a share is exact for a binomial, that of a difference is Newcombe's (1998, method 10).
    """
    shares, runs = {}, {}
    for name in contrast.weights:
        records = [record for cells in by_dataset.values() for record in cells[name].values()]
        shares[name], runs[name] = sum(map(failed, records)), len(records)
    first, *others = (stats.binomtest(shares[name], runs[name]) for name in contrast.weights)
    mean, interval = first.statistic, first.proportion_ci(LEVEL)
    low, high = interval.low, interval.high
    for other in others:
        ours, theirs = (test.proportion_ci(LEVEL, method="wilson") for test in (first, other))
        mean = first.statistic - other.statistic
        low = mean - np.hypot(first.statistic - ours.low, theirs.high - other.statistic)
        high = mean + np.hypot(ours.high - first.statistic, other.statistic - theirs.low)
    return Effect(mean, low, high, np.nan, min(runs.values()), 0, tuple(by_dataset))
