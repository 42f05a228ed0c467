"""Means over seeds and test documents with their intervals, and paired differences: pure estimators, no plotting.

Everything is a matrix of shape (runs, documents): a row for each seed or draw of the training documents, a column for
each test document. Both are samples, of the seeds and of the documents there might have been, and an interval says
what other seeds and other documents would give. `docs/decisions/intervals.md` has the reasons.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import optimize, stats

from tcstudy.spec import AnyRun, PretrainingSpec, RunSpec
from tcstudy.study.record import Record

LEVEL = 0.95
LEAST_RUNS = 3  # of each variant, below which nothing is decided
NOTHING = 1e-16  # a p-value below this is 0


@dataclass(frozen=True)
class Estimate:
    """A mean over runs and test documents with its 95% interval; not a number where there is no run.

    `p` is that of a mean of zero, None where that is not asked. The interval excludes zero if and only if p < 0.05.
    With a single run the interval is over test documents only.
    """

    mean: float
    low: float
    high: float
    p: float | None
    runs: int
    documents: int


def differs(difference: Estimate) -> bool:
    """Whether a difference was shown: of enough runs, and its interval does not hold zero."""
    return difference.runs >= LEAST_RUNS and (difference.low > 0 or difference.high < 0)


class Spread(NamedTuple):
    """A mean, and what runs and documents contribute to the variance of its error.

    Attributes:
        mean: over runs and documents.
        of_runs, of_documents: variances, whose sum is that of the mean.
        freedom: degrees of freedom with which each of the two is known; infinite for runs that are all the same.
    """

    mean: float
    of_runs: float
    of_documents: float
    freedom: tuple[float, float]

    @property
    def error(self) -> float:
        """The standard error of the mean."""
        return float(np.sqrt(self.of_runs + self.of_documents))

    def times(self, factor: float) -> "Spread":
        """That of a multiple of the mean."""
        of_runs, of_documents = (factor**2 * part for part in (self.of_runs, self.of_documents))
        return Spread(factor * self.mean, of_runs, of_documents, self.freedom)


def spread(values: np.ndarray) -> Spread:
    """The mean of `values`, shape (runs, documents), of which both are random and crossed.

    From the mean squares of a two-way layout the variance of the mean is estimated without bias as
    (MS_runs + (MS_documents - MS_rest)) / (runs * documents). A single value has a variance that is not a number.
    """
    runs, documents = values.shape
    values = np.asarray(values, dtype=float)
    by_run, by_document = values.mean(axis=1), values.mean(axis=0)  # (runs,), (documents,)
    mean = by_run.mean()
    of_documents = runs * np.var(by_document, ddof=1) if documents > 1 else 0.0
    of_runs = 0.0 if documents > 1 else np.nan
    known_by = runs - 1 if runs == 1 or np.any(values != values[0]) else np.inf
    if runs > 1:
        of_runs = documents * np.var(by_run, ddof=1)
        of_documents -= rest_square(values)
    freedom = (known_by, max(documents - 1, 1))
    return Spread(float(mean), of_runs / values.size, max(of_documents, 0.0) / values.size, freedom)


def rest_square(values: np.ndarray) -> float:
    """The residual mean square of values, shape (runs, documents), explained by neither run nor document."""
    runs, documents = values.shape
    rest = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
    return float(np.sum(rest**2) / ((runs - 1) * max(documents - 1, 1)))


def combined(spreads: Sequence[Spread]) -> Spread:
    """The sum of independent means, of different data sets; degrees of freedom are Satterthwaite's."""
    parts = np.array([(each.of_runs, each.of_documents) for each in spreads])  # (means, 2)
    freedom = np.maximum([each.freedom for each in spreads], 1)
    sums, squares = parts.sum(axis=0), (parts**2 / freedom).sum(axis=0)
    together = np.divide(sums**2, squares, out=np.ones(2), where=squares > 0)
    return Spread(sum(each.mean for each in spreads), *map(float, sums), tuple(map(float, together)))


def quantile(p: float, of: Spread) -> float:
    """How many standard errors a mean is from its truth, or more, with probability `p`.

    Student's t has one quantile for the few runs and another for the many documents. Cochran and Cox (1950) weight
    them by the two variances, and are too careful. With the share of the runs to the power 1.1 + 3 p as their weight,
    1.25 for an interval of 95%, 93 to 97% of the intervals hold the truth whatever that share is, with 2, 3, 5 and
    more runs.
    """
    total = of.of_runs + of.of_documents
    weight = (of.of_runs / total) ** (1.1 + 3 * p) if total else 0.0
    few = weight * stats.t.isf(p / 2, of.freedom[0]) if weight else 0.0
    return float(few + (1 - weight) * stats.t.isf(p / 2, of.freedom[1]))


def p_value(of: Spread) -> float:
    """The probability of a mean so far from zero, or further, if the truth is zero: `quantile` the other way round."""
    if np.isnan(of.error + of.mean):
        return np.nan
    if not of.error:
        return float(of.mean == 0)
    distance = abs(of.mean) / of.error
    if distance >= quantile(NOTHING, of):
        return 0.0
    return float(optimize.brentq(lambda p: quantile(p, of) - distance, NOTHING, 1, xtol=1e-14))


def estimate(of: Spread, runs: int, documents: int) -> Estimate:
    """A mean with its interval and the p-value of zero; `runs` and `documents` are those it was taken over."""
    half = quantile(1 - LEVEL, of) * of.error
    return Estimate(of.mean, of.mean - half, of.mean + half, p_value(of), runs, documents)


def mean(values: np.ndarray) -> Estimate:
    """The mean of values of shape (runs, documents) with its interval, and the p-value of a mean of zero."""
    if not values.size or np.isnan(values).any():
        return Estimate(np.nan, np.nan, np.nan, np.nan, *values.shape)
    return estimate(spread(values), *values.shape)


def error(wrong: np.ndarray) -> Estimate:
    """The error rate with its interval.

    Args:
        wrong: as `wrong_matrix` gives it, shape (runs, documents).
    """
    if not wrong.size:
        return Estimate(np.nan, np.nan, np.nan, None, *wrong.shape)
    return rate(spread(wrong), *wrong.shape)


def rate(of: Spread, runs: int, documents: int) -> Estimate:
    """A rate with Wilson's interval, which stays within 0 and 1.

    Wilson's number of documents is that of independent ones which would tell as much about the rate; for a rate of 0 or
    1, whose own variance tells nothing, that of all.
    """
    centre = of.mean
    size = centre * (1 - centre) / of.error**2 if of.error and centre not in (0, 1) else documents
    pull = quantile(1 - LEVEL, of) ** 2 / size
    middle = (centre + pull / 2) / (1 + pull)
    half = float(np.sqrt(pull * (centre * (1 - centre) + pull / 4))) / (1 + pull)
    low, high = np.clip((middle - half, middle + half), 0.0, 1.0).tolist()
    return Estimate(centre, low, high, None, runs, documents)


def spread_of_runs(rates: np.ndarray, documents: int) -> Spread:
    """The mean of rates, shape (runs,), of runs on the same `documents` when it is not known which they got wrong.

    What the documents contribute is taken to be what it is if every run gets the same ones wrong, its most.
    """
    runs = np.asarray(rates, dtype=float)
    if not len(runs):
        return Spread(np.nan, np.nan, np.nan, (0, documents))
    of_runs = np.var(runs, ddof=1) / len(runs) if len(runs) > 1 else 0.0
    of_documents = runs.mean() * (1 - runs.mean()) / documents
    return Spread(float(runs.mean()), float(of_runs), float(of_documents), (len(runs) - 1, max(documents - 1, 1)))


def holm(p_values: Sequence[float]) -> np.ndarray:
    """p-values corrected by Holm (1979) for all comparisons of a table; those that are not a number do not count."""
    corrected = np.array(p_values, dtype=float)
    order = np.argsort(corrected)[: np.sum(~np.isnan(corrected))]  # the smallest first, what is not a number left out
    steps = corrected[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return corrected


def wrong_matrix(records: Sequence[Record], beside: Sequence[Sequence[Record]] = ()) -> np.ndarray:
    """Whether each run classified each test document wrongly, shape (runs, documents); runs that diverged are left out.

    Several seeds of each of several draws of the training documents share its documents: a row is then a draw, and
    the share of its seeds that are wrong. So is a row a pre-training where runs share some: those that began with the
    same one are one sample of it.

    Args:
        records: of one variant.
        beside: the records of other variants, run by run, whose rows have to be the same ones.

    Raises:
        ValueError: the runs were tested on different numbers of documents.
    """
    rows: dict[int, list[np.ndarray]] = {}
    tested = [number for number, record in enumerate(records) if record.test]
    encoders = [tuple(pretraining_of(runs[number].spec) for runs in (records, *beside)) for number in tested]
    if 1 < len(set(encoders)) < len(encoders):
        numbers = {encoder: number for number, encoder in enumerate(dict.fromkeys(encoders))}
        for number, encoder in zip(tested, encoders, strict=True):
            rows.setdefault(numbers[encoder], []).append(records[number].test.wrong)
        return np.stack([np.mean(runs, axis=0) for runs in rows.values()])
    for record in records:
        if record.test:
            rows.setdefault(record.spec.data.draw, []).append(record.test.wrong)
    if not rows:
        return np.zeros((0, 0), dtype=bool)
    if len(rows) == 1:
        return np.stack(*rows.values())
    if all(len(seeds) == 1 for seeds in rows.values()):
        return np.concatenate([*rows.values()])
    return np.stack([np.mean(seeds, axis=0) for seeds in rows.values()])


def paired_matrices(records: Sequence[Record], reference: Sequence[Record]) -> tuple[np.ndarray, np.ndarray]:
    """`wrong_matrix` of two variants, rows paired by data draw and seed; a pair of which a run diverged is left out."""
    others = {(other.spec.data.draw, other.spec.seed): other for other in reference if other.test}
    pairs = [
        (record, others[record.spec.data.draw, record.spec.seed])
        for record in records
        if record.test and (record.spec.data.draw, record.spec.seed) in others
    ]
    ours, theirs = [record for record, _ in pairs], [other for _, other in pairs]
    return wrong_matrix(ours, [theirs]), wrong_matrix(theirs, [ours])


def pretraining_of(run: AnyRun) -> str:
    """The identity of a run's encoder at the end of its last pre-training; what came after is not shared by runs."""
    encoder = run.encoder if isinstance(run, RunSpec) else None
    while encoder and encoder.stages and not isinstance(encoder.stages[-1], PretrainingSpec):
        encoder = encoder.before
    return encoder.id if encoder else ""
