"""Weighted sums of variants' error rates, and what they are in records and in the paper's tables."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from scipy import stats

from tcstudy.experiments.base import RunKey
from tcstudy.report.forgetting import failed
from tcstudy.report.intervals import LEVEL, Spread, spread, wrong_matrix
from tcstudy.report.moderation import moderated
from tcstudy.report.reductions import average
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

    `p` is the two-sided p-value of a true effect at `boundary`.
    """

    mean: float
    low: float
    high: float
    boundary: float
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


def by_variant(records: Mapping[RunKey, Record]) -> dict[str, dict[str, dict[tuple[int, int], Record]]]:
    """Records by data set, variant, and draw and seed."""
    found: dict[str, dict[str, dict[tuple[int, int], Record]]] = {}
    for key, record in records.items():
        found.setdefault(key.dataset, {}).setdefault(key.variant, {})[key.draw, key.seed] = record
    return found


def errors(contrast: Contrast, variants: Mapping[str, Cell]) -> np.ndarray:
    """Values whose mean is a contrast of test errors on one data set, of the same documents, draws and seeds.

    A ratio of means is linear in both to first order: the values are those of the contrast less its value times the
    reference, over the reference's error rate.

    Returns:
        Shape (runs, documents).

    Raises:
        Unmeasured: not all converged with any seed, or the reference has no errors.
    """
    pairs = _converged(contrast, variants)
    if not pairs:
        raise Unmeasured("there is no seed with which all converged")
    wrong = {name: wrong_matrix([variants[name][pair] for pair in pairs]).astype(float) for name in contrast.weights}
    reference = wrong[contrast.reference]
    rate = reference.mean()
    if not rate:
        raise Unmeasured(f"{contrast.reference} makes no errors")
    share = contrast.of({name: matrix.mean() for name, matrix in wrong.items()})
    weighted = sum(weight * wrong[name] for name, weight in contrast.weights.items())
    return share + (weighted - share * reference) / rate


def forgetting(contrast: Contrast, variants: Mapping[str, Cell]) -> np.ndarray:
    """Values whose mean is a contrast of how much fine-tuning raises the MLM loss, as a share of the loss before.

    Returns:
        Shape (runs, 1).

    Raises:
        Unmeasured: it was not measured with any seed.
    """
    pairs = [
        pair for pair in _converged(contrast, variants) if all(variants[n][pair].forgetting for n in contrast.weights)
    ]
    if not pairs:
        raise Unmeasured("there is no seed with which forgetting was measured")
    return np.array(
        [[sum(weight * _rise(variants[name][pair]) for name, weight in contrast.weights.items())] for pair in pairs]
    )


def _rise(record: Record) -> float:
    return record.forgetting.after / record.forgetting.before - 1


def _converged(contrast: Contrast, variants: Mapping[str, Cell]) -> list[tuple[int, int]]:
    """Draws and seeds with which every variant of the contrast has a run that did not diverge."""
    runs = [{pair for pair, record in variants[name].items() if record.test} for name in contrast.weights]
    return sorted(set.intersection(*runs))


def spread_beside(
    contrast: Contrast, values: np.ndarray, variants: Mapping[str, Cell], compared: Mapping[str, str]
) -> Spread:
    """The spread of the `errors` of a contrast on one data set, moderated as the tables' where it is of a pair.

    What runs contribute is then told together with what the page's other comparisons save: those of `compared` where
    the pair is one of them, else those of all other variants with the same reference. Other contrasts vary on another
    scale, and stand for themselves.

    Args:
        contrast: which.
        values: its errors, shape (runs, documents).
        variants: those of the contrast, and others of the same page.
        compared: what the page compares each variant with (`Experiment.compared`).
    """
    beside, references = [spread(values)], [contrast.reference]
    if sorted(contrast.weights.values()) == [-1.0, 1.0]:
        [pair] = ((name, contrast.reference) for name in contrast.weights if name != contrast.reference)
        pairs = compared.items() if pair in compared.items() else ((name, contrast.reference) for name in variants)
        for name, reference in pairs:
            if name not in (pair[0], reference) and {name, reference} <= variants.keys():
                with suppress(Unmeasured):
                    beside.append(spread(errors(saves(name, reference), variants)))
                    references.append(reference)
    return moderated(beside, references)[0]


def over_datasets(values: Mapping[str, np.ndarray], spreads: Mapping[str, Spread], boundary: float) -> Effect:
    """The mean over data sets, of which each counts alike; their runs and documents are independent.

    Args:
        values: of each data set, shape (runs, documents).
        spreads: of these.
        boundary: for the p-value.
    """
    shapes = [matrix.shape for matrix in values.values()]
    found = average([*spreads.values()], shapes)
    p = average([of._replace(mean=of.mean - boundary) for of in spreads.values()], shapes).p
    return Effect(found.mean, found.low, found.high, boundary, p, found.runs, found.documents, tuple(values))


def failures(contrast: Contrast, by_dataset: Mapping[str, Mapping[str, Cell]], boundary: float) -> Effect:
    """The share of the reference's runs, on all data sets, that failed (`forgetting.failed`); exact for a binomial."""
    records = [record for variants in by_dataset.values() for record in variants[contrast.reference].values()]
    lost = sum(failed(record) for record in records)
    interval = stats.binomtest(lost, len(records)).proportion_ci(LEVEL)
    p = float(stats.binomtest(lost, len(records), boundary).pvalue)
    share = lost / len(records)
    return Effect(share, interval.low, interval.high, boundary, p, len(records), 0, tuple(by_dataset))
