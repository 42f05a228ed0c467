"""The effect of a comparison in the records of a page, if all its runs are recorded and its treatment worked."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

import numpy as np
import pandas as pd
from scipy import stats

from tcstudy.catalog.datasets import absence, dataset_title
from tcstudy.experiments.base import Experiment, RunKey
from tcstudy.experiments.base_rate import base_rate_of
from tcstudy.report.claim_rules import Contrast, Part
from tcstudy.report.forgetting import failed
from tcstudy.report.frame import by_seed, chosen, every_column
from tcstudy.report.intervals import LEVEL, spread, wrong_matrix
from tcstudy.report.stats import average
from tcstudy.report.tables import percent
from tcstudy.spec import AnyRun, EncoderSpec, PretrainingSpec, RunSpec
from tcstudy.study.encoders import EncoderRecord, encoders_behind
from tcstudy.study.record import Record
from tcstudy.study.results import recorded
from tcstudy.training.outcome import HeadQuality

Cell = Mapping[tuple[int, int], Record]
"""The runs of one variant on one data set, by draw and seed."""
CHANCE = 0.5
UNKNOWN = "the records do not show whether the pre-training took"


class Unmeasured(Exception):
    """Why records do not tell an effect."""


class Untested(Unmeasured):
    """Why the runs of a page, whatever their outcome, do not test a comparison."""


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


def why_not_taken(record: EncoderRecord | None, dataset: str) -> str:
    """Why a further pre-training did not take on the text of a data set, or is not known to; empty where it did.

    It took if it lowered the MLM loss on held-out text of the set, to less than that of counts of neighbouring words;
    and if NSP, where it was trained on enough pairs to tell, is right more often than by chance. Where the corpus has
    no text of the set, the corpus's own text decides.

    Args:
        record: of the encoder at the end of the pre-training; None where there is none.
        dataset: the data set that the encoder is fine-tuned on.
    """
    if record is None:
        return UNKNOWN
    corpus = {text.name for text in record.spec.stages[-1].corpus}
    read = [text for text in record.texts if text.name in corpus]
    texts = [text for text in read if text.name == dataset] or read
    if record.measured and (by_chance := _nsp_by_chance(record.measured)):
        return f"the pre-training did not take: {by_chance}"
    if not texts:
        return UNKNOWN
    for text in texts:
        after, before = text.after.mlm_loss, text.before.mlm_loss
        if by_chance := _nsp_by_chance(text.after):
            return f"the pre-training did not take: {by_chance}, on {dataset_title(text.name)}"
        if after is None:
            continue  # MLM was no part of it
        if before is None:
            return UNKNOWN
        told = f"the MLM loss on {dataset_title(text.name)} is {after:.2f} nats after it"
        if after >= before:
            return f"the pre-training did not take: {told}, {before:.2f} before it"
        if after >= text.bigram:
            return f"the pre-training did not take: {told}, that of counts of neighbouring words {text.bigram:.2f}"
    return ""


def _nsp_by_chance(heads: HeadQuality) -> str:
    """Says that NSP is no better than chance; empty where it is better, untrained, or has too few pairs to tell."""
    if heads.nsp_accuracy is None or not heads.pairs or _lowest(heads.pairs, heads.pairs) <= CHANCE:
        return ""
    if _lowest(round(heads.nsp_accuracy * heads.pairs), heads.pairs) > CHANCE:
        return ""
    return f"NSP is no better than chance ({percent(heads.nsp_accuracy)} of {heads.pairs:,} pairs right)"


def _lowest(right: int, pairs: int) -> float:
    """The lower end of a share's exact interval."""
    return float(stats.binomtest(right, pairs).proportion_ci(LEVEL).low)


@dataclass(frozen=True)
class PageRecords:
    """The runs of a page's parameter file, their existing records, and those of the encoders trained for them.

    `base_rate` is the learning rate of the study's other pages, None where it is not known.
    """

    runs: Mapping[RunKey, AnyRun]
    records: Mapping[RunKey, Record]
    encoders: Mapping[EncoderSpec, EncoderRecord] = field(default_factory=dict)
    base_rate: float | None = None

    @classmethod
    def of(cls, experiment: Experiment, base_rate: float | None = None) -> Self:
        """The runs of a page with their existing records."""
        runs = experiment.runs()
        records = recorded(runs)
        return cls(runs, records, encoders_behind(records.values()), base_rate)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row for each run, recorded or not, as in `frame.every_column`."""
        return every_column({**self.runs, **self.records}, self.base_rate)


def pages_of(experiments: Mapping[str, Experiment], names: Iterable[str]) -> dict[str, PageRecords]:
    """The runs and records of some pages of a profile, if it has them.

    Args:
        experiments: all pages of the profile, by name. The base rate is the one at which most of them fine-tune.
        names: of the pages.
    """
    base_rate = common_base_rate(experiments)
    return {name: PageRecords.of(experiments[name], base_rate) for name in names if name in experiments}


def common_base_rate(experiments: Mapping[str, Experiment]) -> float | None:
    """The learning rate that most of a profile's pages fine-tune at, None where none does."""
    rates = Counter(rate for rate in map(base_rate_of, experiments.values()) if rate is not None)
    return max(rates, key=rates.__getitem__, default=None)


def datasets_of(part: Part, page: PageRecords) -> list[str]:
    """The data sets of a page that a part is about."""
    return [name for name in page.table["dataset"].unique() if part.on is None or name in part.on]


def cannot_be_had(dataset: str, page: PageRecords) -> bool:
    """Whether a data set has no records, and none can be made on this machine."""
    return bool(absence(dataset)) and dataset not in {key.dataset for key in page.records}


def arms_of(part: Part, page: PageRecords, dataset: str) -> dict[str, pd.DataFrame]:
    """The rows of each arm of a part on a data set."""
    rows = page.table[page.table["dataset"] == dataset]
    return {name: chosen(rows, arm) for name, arm in part.arms.items()}


def cells_of(part: Part, page: PageRecords) -> dict[str, dict[str, Cell]]:
    """The records of a part's arms, by data set, for those data sets that have all arms.

    Raises:
        Untested: no data set of the page has all arms.
        Unmeasured: runs are not recorded.
    """
    found, lacking, gone = {}, [], []
    for dataset in datasets_of(part, page):
        arms = arms_of(part, page, dataset)
        if without := [name for name, rows in arms.items() if rows.empty]:
            lacking.append(f"{dataset_title(dataset)} has no runs of {' or '.join(map(dataset_title, without))}")
        elif cannot_be_had(dataset, page):
            gone.append(f"{dataset_title(dataset)} is not available on this machine")
        else:
            found[dataset] = arms
    if not found and gone:
        raise Unmeasured("; ".join(gone))
    if not found:
        raise Untested("; ".join(lacking) or f"this page has no {' or '.join(map(dataset_title, part.on or ()))}")
    runs = [record for arms in found.values() for rows in arms.values() for record in rows["record"]]
    if missing := sum(record is None for record in runs):
        raise Unmeasured(f"{missing} of {len(runs)} runs are not recorded")
    try:
        return {dataset: {name: by_seed(rows) for name, rows in arms.items()} for dataset, arms in found.items()}
    except ValueError:
        raise Untested("several variants of the page match one arm of the comparison") from None


def not_taken(part: Part, page: PageRecords, dataset: str) -> str:
    """Why a further pre-training that a part compares on a data set did not take; empty where it did, or there is none.

    Stages that all runs of the page share are not part of the comparison.
    """
    reasons = []
    for rows in arms_of(part, page, dataset).values():
        for run, corpus in zip(rows["run"], rows.get("pretraining.corpus", [()] * len(rows)), strict=True):
            if isinstance(run, RunSpec) and corpus:
                reasons.append(why_not_taken(page.encoders.get(_pretrained(run.encoder)), dataset))
    return min(filter(None, reasons), key=lambda reason: reason == UNKNOWN, default="")


def _pretrained(encoder: EncoderSpec) -> EncoderSpec:
    """An encoder at the end of its last further pre-training."""
    last = max(place for place, stage in enumerate(encoder.stages) if isinstance(stage, PretrainingSpec))
    return encoder.model_copy(update={"stages": encoder.stages[: last + 1]})


def effect_of(part: Part, cells: Mapping[str, Mapping[str, Cell]]) -> Effect:
    """The effect over data sets, from the records of a part's arms on each.

    Raises:
        Unmeasured: there is no seed with which all arms converged, or the reference makes no errors.
    """
    if part.quantity == "failures":
        return failures(part.contrast, cells)
    values = forgetting if part.quantity == "forgetting" else errors
    return over_datasets({dataset: values(part.contrast, of) for dataset, of in cells.items()})


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

    Raises:
        Unmeasured: all runs of both failed, so that neither can have failed more often.
    """
    shares, runs = {}, {}
    for name in contrast.weights:
        records = [record for cells in by_dataset.values() for record in cells[name].values()]
        shares[name], runs[name] = sum(map(failed, records)), len(records)
    if len(shares) > 1 and shares == runs:
        raise Unmeasured("all runs of both failed")
    first, *others = (stats.binomtest(shares[name], runs[name]) for name in contrast.weights)
    mean, interval = first.statistic, first.proportion_ci(LEVEL)
    low, high = interval.low, interval.high
    for other in others:
        ours, theirs = (test.proportion_ci(LEVEL, method="wilson") for test in (first, other))
        mean = first.statistic - other.statistic
        low = mean - np.hypot(first.statistic - ours.low, theirs.high - other.statistic)
        high = mean + np.hypot(ours.high - first.statistic, other.statistic - theirs.low)
    return Effect(mean, low, high, np.nan, min(runs.values()), 0, tuple(by_dataset))
