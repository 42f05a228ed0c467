"""The precision of a page's comparisons: the half-widths of their intervals, before anything is trained.

The variances are those of paired differences in records. `docs/decisions/plan.md` gives the reasons.
"""

import functools
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from tcstudy.catalog.datasets import dataset_facts
from tcstudy.experiments.base import Experiment
from tcstudy.report.claims import CLAIMS
from tcstudy.report.frame import Selection, chosen, every_column
from tcstudy.report.intervals import LEVEL, Spread, combined, pretraining_of, quantile, rest_square
from tcstudy.report.stats import reduction_values
from tcstudy.spec import AnyRun
from tcstudy.study.record import Record

MEAN = "mean"
"""In place of a data set: the mean over all of them."""
MOST_DRAWS = 1000
"""The largest number of draws that a plan suggests."""
_SHARES = (np.arange(24) + 0.5) / 24  # of a distribution, to take a mean over it


class Components(NamedTuple):
    """The variance components of paired differences: runs, documents, and their interaction.

    The difference of run r on document d is a mean plus an effect of r, an effect of d and a residual; these are the
    variances of the three terms.
    """

    runs: float
    documents: float
    rest: float

    def planned(self, draws: int, documents: int) -> Spread:
        """The spread of a mean over `draws` runs and `documents` test documents, as in `intervals.spread`.

        With a single run the interval is over documents only, as it will be on the page.
        """
        if draws == 1:
            return Spread(0.0, 0.0, (self.documents + self.rest) / documents, (0, max(documents - 1, 1)))
        of_runs = (self.runs + self.rest / documents) / draws
        return Spread(0.0, of_runs, self.documents / documents, (draws - 1, max(documents - 1, 1)))


def components(values: np.ndarray, correction: float = 1.0) -> Components:
    """Estimate the components from differences of shape (runs, documents), with at least two runs.

    Args:
        values: the differences.
        correction: divides the variance between runs.
    """
    runs, documents = values.shape
    rest = rest_square(values)
    of_runs = np.var(values.mean(axis=1), ddof=1) / correction - rest / documents
    of_documents = np.var(values.mean(axis=0), ddof=1) - rest / runs
    return Components(max(float(of_runs), 0.0), max(float(of_documents), 0.0), rest)


def half_width(spreads: Sequence[Spread]) -> float:
    """The mean half-width of 95% intervals of the mean over data sets, if these are the true variances.

    An interval uses an estimate of the variance between few runs. This estimate has a chi-square distribution, so the
    mean of its root is below the root of its mean: by 6% for five runs.
    """
    of = combined([each.times(1 / len(spreads)) for each in spreads]) if len(spreads) > 1 else spreads[0]
    if not of.of_runs:
        return quantile(1 - LEVEL, of) * of.error
    estimates = of.of_runs * stats.chi2.ppf(_SHARES, of.freedom[0]) / of.freedom[0]
    drawn = [of._replace(of_runs=float(each)) for each in estimates]
    return float(np.mean([quantile(1 - LEVEL, each) * each.error for each in drawn]))


@dataclass(frozen=True)
class Variances:
    """The components of a comparison: of the difference of error rates, and of the same as a share of the reference's.

    `source` says which records they come from, by a name of `SOURCES`.
    """

    points: Components
    shares: Components
    source: str


class Planned(NamedTuple):
    """A comparison on one data set: its variances, the runs of each variant, and the test documents."""

    dataset: str
    variances: Variances
    draws: int
    documents: int


@dataclass(frozen=True)
class Prospect:
    """The precision that a comparison will have.

    Attributes:
        variant, reference: the two that are compared.
        smallest: the smallest difference that counts for a claim, as a share of the reference's errors, or None.
        on: the data set; several where it is about their mean.
        whole: whether it is the whole comparison, not one of several data sets whose mean decides.
    """

    variant: str
    reference: str
    smallest: float | None
    on: tuple[Planned, ...]
    whole: bool

    @property
    def dataset(self) -> str:
        """The data set, or `MEAN`."""
        return self.on[0].dataset if len(self.on) == 1 else MEAN

    @property
    def draws(self) -> int:
        """Planned runs of each variant on a data set."""
        return min(each.draws for each in self.on)

    @property
    def documents(self) -> int:
        """Planned test documents, of all data sets together."""
        return sum(each.documents for each in self.on)

    @property
    def sources(self) -> tuple[str, ...]:
        """The records that the variances come from, by the names of `SOURCES`."""
        return tuple(dict.fromkeys(each.variances.source for each in self.on))

    @functools.cached_property
    def points(self) -> float:
        """Half-width of the 95% interval of the difference of error rates."""
        return half_width([each.variances.points.planned(each.draws, each.documents) for each in self.on])

    @functools.cached_property
    def share(self) -> float:
        """The same as a share of the reference's error rate."""
        return self.share_with()

    def share_with(self, draws: int = 1, documents: int = 1) -> float:
        """`share` with these multiples of the planned draws and test documents."""
        return half_width(
            [each.variances.shares.planned(draws * each.draws, documents * each.documents) for each in self.on]
        )

    @property
    def decides(self) -> bool:
        """Whether an effect of twice the smallest could be distinguished from none."""
        return self.smallest is not None and self.share <= self.smallest

    @functools.cached_property
    def enough(self) -> int | None:
        """The fewest draws with which `share` is at most `smallest`; None if `MOST_DRAWS` are too few.

        A single draw is not enough, as its interval does not cover other draws.
        """

        def fits(draws: int) -> bool:
            planned = [each.variances.shares.planned(draws, each.documents) for each in self.on]
            return half_width(planned) <= self.smallest

        low, high = 2, MOST_DRAWS
        if self.smallest is None or not fits(high):
            return None
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if fits(middle) else (middle + 1, high)
        return low


Cell = Mapping[tuple[int, int], np.ndarray]
"""Which test documents the runs of a variant got wrong, shape (documents,), by draw and seed."""


class PastRuns:
    """Records, to look up the variance of paired differences.

    Args:
        records: of runs, of any pages.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        self.wrong = {record.id: record.test.wrong.astype(float) for record in records if record.test}
        self.cells: dict[str, dict[str, tuple[dict[str, str], Cell]]] = {}
        for record in records:
            if record.id in self.wrong:
                factors = _factors(record.spec)
                _, cell = self.cells.setdefault(record.spec.data.name, {}).setdefault(
                    json.dumps(factors), (factors, {})
                )
                cell[_place(record.spec)] = self.wrong[record.id]

    def variances(self, variant: Sequence[AnyRun], reference: Sequence[AnyRun]) -> Variances | None:
        """The variances of a comparison, from the nearest records that exist.

        These are its own runs; else comparisons on the same data set in which the same keys of the specs differ; else
        all on that data set; else all. None if no comparison with two pairs of runs is recorded.

        Args:
            variant, reference: the runs that will be compared.
        """
        ours = [
            {_place(run): self.wrong[run.id] for run in runs if run.id in self.wrong} for runs in (variant, reference)
        ]
        if found := _compared(*ours):
            return Variances(*map(components, found), "own")
        differing = _differing(*(_factors(runs[0]) for runs in (variant, reference)))
        return self._nearest(variant[0].data.name, differing)

    @functools.cache  # noqa: B019 - lives as long as the plan
    def _nearest(self, dataset: str, kind: frozenset[str]) -> Variances | None:
        there = self._pairs(dataset)
        if alike := [pair for differing, pair in there if differing == kind]:
            return _pooled(alike, "alike")
        if there:
            return _pooled([pair for _, pair in there], "set")
        everywhere = [pair for name in self.cells for _, pair in self._pairs(name)]
        return _pooled(everywhere, "any") if everywhere else None

    @functools.cache  # noqa: B019
    def _pairs(self, dataset: str) -> list[tuple[frozenset[str], tuple[Components, Components]]]:
        """All pairs of variants on a data set with the same documents: the differing keys, and the components."""
        cells = self.cells.get(dataset, {}).values()
        found = []
        for (factors, cell), (others, reference) in itertools.combinations(cells, 2):
            differing = _differing(factors, others)
            if not any(key.startswith("data.") for key in differing) and (pair := _compared(cell, reference)):
                correction = _median_of_chi_square(len(pair[0]) - 1)
                found.append((differing, tuple(components(values, correction) for values in pair)))
        return found


SOURCES = {
    "own": "their own runs",
    "alike": "the same kind on the same data set",
    "set": "all on the same data set",
    "any": "all on other data sets",
}
"""Where variances are taken from, nearest first."""


def _place(run: AnyRun) -> tuple[int, int]:
    return run.data.draw, run.seed


def _compared(cell: Cell, reference: Cell) -> tuple[np.ndarray, np.ndarray] | None:
    """Differences of errors, and the same as shares of the reference's error rate, shape (runs, documents) each.

    A row is a pair of runs with the same draw and seed; with several draws it is a draw, as in
    `intervals.wrong_matrix`. None with fewer than two rows or documents, if the reference makes no errors, or if both
    are identical.
    """
    places = sorted(cell.keys() & reference.keys())
    if {cell[place].shape for place in places} != {reference[place].shape for place in places}:
        return None
    by_draw = [[*group] for _, group in itertools.groupby(places, key=lambda place: place[0])]
    groups = by_draw if len(by_draw) > 1 else [[place] for place in places]
    if len(groups) < 2:
        return None
    wrong, other = (np.stack([np.mean([of[p] for p in group], axis=0) for group in groups]) for of in (cell, reference))
    if wrong.shape[1] < 2 or not other.any() or (wrong == other).all():
        return None
    return wrong - other, reduction_values(wrong, other)


def _pooled(pairs: Sequence[tuple[Components, Components]], source: str) -> Variances:
    """The median of each component: the mean would be dominated by a few failed runs."""
    points, shares = (Components(*np.median([pair[of] for pair in pairs], axis=0).tolist()) for of in (0, 1))
    return Variances(points, shares, source)


@functools.cache
def _median_of_chi_square(freedom: int) -> float:
    """The median of an estimate as a share of its mean: with few degrees of freedom it is lower."""
    return float(stats.chi2.median(freedom) / freedom)


def _factors(run: AnyRun) -> dict[str, str]:
    """A run without its draw and seed: the values of its spec by key, one dot deep."""
    flat: dict[str, str] = {"": type(run).__name__}
    for name, value in run.model_dump(mode="json").items():
        if isinstance(value, dict):
            flat |= {f"{name}.{key}": json.dumps(_without_seeds(part)) for key, part in value.items() if key != "draw"}
        elif name != "seed":
            flat[name] = json.dumps(value)
    return flat


def _without_seeds(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_seeds(part) for key, part in value.items() if key not in ("seed", "draw")}
    return [_without_seeds(part) for part in value] if isinstance(value, list) else value


def _differing(factors: Mapping[str, str], others: Mapping[str, str]) -> frozenset[str]:
    return frozenset(key for key in factors.keys() | others.keys() if factors.get(key) != others.get(key))


Runs = Mapping[tuple[int, int], AnyRun]
"""The runs of a variant on a data set, by draw and seed."""


class Compared(NamedTuple):
    """A comparison that a page makes.

    Attributes:
        variant, reference: the two that are compared.
        runs: of both, by data set.
        smallest: the smallest share that counts for a claim; None if no claim is about it.
        each: whether a claim decides each data set separately.
    """

    variant: str
    reference: str
    runs: Mapping[str, tuple[Runs, Runs]]
    smallest: float | None = None
    each: bool = False


def comparisons(experiment: Experiment) -> list[Compared]:
    """The comparisons of a page: those of the claims that it tests, then the others of its tables."""
    table = every_column(experiment.runs())
    rows = {name: table[table["dataset"] == name] for name in table["dataset"].unique()}

    def both(of: Selection, reference: Selection, on: Iterable[str]) -> dict[str, tuple[Runs, Runs]]:
        pairs = {
            name: tuple(_runs(chosen(rows[name], each)) for each in (of, reference)) for name in on if name in rows
        }
        return {name: pair for name, pair in pairs.items() if all(pair) and pair[0] != pair[1]}

    found = []
    for part in (part for claim in CLAIMS if claim.page == experiment.page for part in claim.parts(table)):
        weights, reference = part.contrast.weights, part.contrast.reference
        if part.quantity == "errors" and sorted(weights.values()) == [-1.0, 1.0] and not part.untested:
            [variant] = weights.keys() - {reference}
            runs = both(part.arms[variant], part.arms[reference], part.on or rows)
            found.append(Compared(variant, reference, runs, part.smallest.share, part.each))
    claimed = {_ids(pair) for each in found for pair in each.runs.values()}
    for variant, reference in experiment.compared().items():
        runs = both({"variant": variant}, {"variant": reference}, rows)
        others = {name: pair for name, pair in runs.items() if _ids(pair) not in claimed}
        found.append(Compared(variant, reference, others))
    return [each for each in found if each.runs]


def _runs(rows: pd.DataFrame) -> Runs:
    return {(row.draw, row.seed): row.run for row in rows.itertuples()}


def _ids(pair: tuple[Runs, Runs]) -> frozenset[frozenset[str]]:
    """The runs of a comparison, regardless of which is the reference."""
    return frozenset(frozenset(run.id for run in runs.values()) for runs in pair)


def prospects(experiment: Experiment, past: PastRuns) -> list[Prospect]:
    """The precision of each comparison of a page, on each data set and on the mean of several.

    Comparisons whose variance no record shows are left out.
    """
    found = []
    for compared in comparisons(experiment):
        planned = [_planned(dataset, *runs, past) for dataset, runs in compared.runs.items()]
        on = tuple(each for each in planned if each)
        names = (compared.variant, compared.reference, compared.smallest)
        several = len(on) > 1 and not compared.each
        found += [Prospect(*names, (each,), not several) for each in on]
        found += [Prospect(*names, on, True)] if several else []
    return found


def _planned(dataset: str, runs: Runs, others: Runs, past: PastRuns) -> Planned | None:
    """A comparison on a data set; None if nothing is recorded."""
    variances = past.variances([*runs.values()], [*others.values()])
    if variances is None:
        return None
    data = next(iter(runs.values())).data
    documents = (data.test or dataset_facts(dataset).test) + data.test_from_train
    return Planned(
        dataset, variances, _rows([(run, others[place]) for place, run in runs.items() if place in others]), documents
    )


def _rows(pairs: Sequence[tuple[AnyRun, AnyRun]]) -> int:
    """The number of rows that pairs of runs will make: pre-trainings where they share some, else draws, else seeds."""
    pretrainings = {tuple(map(pretraining_of, pair)) for pair in pairs}
    if 1 < len(pretrainings) < len(pairs):
        return len(pretrainings)
    draws = {run.data.draw for run, _ in pairs}
    return max(1, len(draws) if len(draws) > 1 else len(pairs))
