"""Learning rates: which has the lowest validation error, and what each leaves of what was learnt before."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tcstudy.catalog.datasets import dataset_title
from tcstudy.experiments.base import RunKey
from tcstudy.experiments.base_rate import rate_name
from tcstudy.report.cells import error_cell, note, percent_range
from tcstudy.report.intervals import Spread, combined, spread_of_runs
from tcstudy.report.intervals import rate as rate_interval
from tcstudy.report.stats import by_cell, errors
from tcstudy.report.tables import Notice, Table
from tcstudy.study.record import Record

NOTHING = Spread(np.nan, np.nan, np.nan, (np.nan, np.nan))


def validation_by_rate(records: Mapping[RunKey, Record]) -> pd.DataFrame:
    """The error of the best epoch on the selection split, over the seeds of each data set and variant.

    Records do not hold which validation documents were wrong, so `intervals.spread_of_runs` says what these contribute.

    Returns:
        As `stats.errors`, of validation errors instead of test errors and compared with none; the learning rate as
        `rate` and the `intervals.Spread` as `spread`.
    """
    cells = by_cell(records)
    found = errors(records).assign(
        rate=[next(iter(runs.values())).spec.training.learning_rate for runs in cells.values()],
        documents=[max(record.data.used_validation for record in runs.values()) for runs in cells.values()],
        spread=[
            spread_of_runs(
                np.array([best_validation_error(record) for record in runs.values() if record.outcome == "finished"]),
                max(record.data.used_validation for record in runs.values()),
            )
            for runs in cells.values()
        ],
    )
    estimates = [
        rate_interval(of, runs, documents)
        for of, runs, documents in zip(
            found["spread"], found["runs"] - found["diverged"], found["documents"], strict=True
        )
    ]
    return found.assign(**{name: [getattr(of, name) for of in estimates] for name in ("mean", "low", "high")})


def best_validation_error(record: Record) -> float:
    """The lowest error of an epoch on the selection split; not a number if the run diverged."""
    if record.outcome == "diverged":
        return float("nan")
    return min(evaluation.error for evaluation in record.curve.epochs)


def mean_over_datasets(by_rate: pd.DataFrame) -> pd.DataFrame:
    """The validation error of each rate, averaged over data sets; missing where a run did not converge.

    Args:
        by_rate: as `validation_by_rate` gives it.

    Returns:
        Columns mean, low and high, by rate.
    """
    rows = {}
    for value, cells in by_rate.groupby("rate", sort=False):
        spreads = [NOTHING] if cells["diverged"].any() else list(cells["spread"])
        together = combined([spread.times(1 / len(spreads)) for spread in spreads])
        estimate = rate_interval(together, cells["runs"].min(), cells["documents"].sum())
        rows[value] = (estimate.mean, estimate.low, estimate.high)
    return pd.DataFrame.from_dict(rows, orient="index", columns=["mean", "low", "high"])


def validation_table(by_rate: pd.DataFrame, name: str) -> Table:
    """Rates in rows, data sets in columns, their mean in the last.

    Args:
        by_rate: as `validation_by_rate` gives it.
        name: target of cross-references.
    """
    means = mean_over_datasets(by_rate)
    datasets = list(by_rate["dataset"].unique())
    cells = {(row["rate"], row["dataset"]): error_cell(row) for _, row in by_rate.iterrows()}
    rows = [
        [rate_name(rate), *(cells[rate, dataset] for dataset in datasets), _mean(mean)]
        for rate, mean in means.iterrows()
    ]
    head = ("rate", *(dataset_title(dataset) for dataset in datasets), "mean over sets")
    caption = "Validation error of the best epoch by learning rate"
    return Table(head, rows, caption, name, note(by_rate, "validation documents"))


def _mean(estimate: pd.Series) -> str:
    return "–" if pd.isna(estimate["mean"]) else percent_range(estimate)


def chosen_rate(by_rate: pd.DataFrame, used: Mapping[str, float], profile: str) -> Notice:
    """Which rate has the lowest mean validation error, and whether the profile's other pages use it.

    Args:
        by_rate: as `validation_by_rate` gives it.
        used: the base rate of each page of the profile that fine-tunes the same encoder.
        profile: its name.
    """
    title = "The base rate"
    estimates = mean_over_datasets(by_rate)
    means = estimates["mean"].dropna()
    if means.empty:
        return Notice("warning", title, "At every rate some run did not converge, so none can be chosen.")
    best = means.idxmin()
    text = f"{rate_name(best)} has the lowest mean validation error, {percent_range(estimates.loc[best])}."
    if best in (min(by_rate["rate"]), max(by_rate["rate"])) and len(means) > 1:
        text += " It is at the edge of the rates that were tried, so one beyond it may be better still."
    others = {page: rate for page, rate in used.items() if rate != best}
    if not used:
        return Notice("tip", title, text)
    if not others:
        return Notice(
            "tip",
            title,
            f"{text} It is the base rate of all pages of the profile {profile} that fine-tune this encoder.",
        )
    named = ", ".join(f"{page} ({rate_name(rate)})" for page, rate in sorted(others.items()))
    return Notice("warning", title, f"{text} These pages of the profile {profile} have another base rate: {named}.")
