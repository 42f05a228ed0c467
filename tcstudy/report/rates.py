"""Learning rates: which has the lowest validation error, and what each leaves of what was learnt before."""

from collections.abc import Mapping

import pandas as pd

from tcstudy.catalog.datasets import DATASETS
from tcstudy.experiments.base import RunKey
from tcstudy.experiments.base_rate import rate_name
from tcstudy.report.stats import outcomes, spread_over_seeds
from tcstudy.report.tables import Notice, Table, error_cell, percent
from tcstudy.study.record import Record


def validation_by_rate(records: Mapping[RunKey, Record]) -> pd.DataFrame:
    """The error of the best epoch on the selection split, over the seeds of each data set and variant.

    Returns:
        As `stats.spread_over_seeds`, of validation errors instead of test errors, and the learning rate as `rate`.
    """
    runs = outcomes(records)
    runs["error"] = [best_validation_error(record) for record in records.values()]
    runs["documents"] = [record.data.used_validation for record in records.values()]
    rates = {key.variant: record.spec.training.learning_rate for key, record in records.items()}
    spread = spread_over_seeds(runs)
    return spread.assign(rate=spread["variant"].map(rates))


def best_validation_error(record: Record) -> float:
    """The lowest error of an epoch on the selection split; not a number if the run diverged."""
    if record.outcome == "diverged":
        return float("nan")
    return min(evaluation.error for evaluation in record.curve.epochs)


def mean_over_datasets(by_rate: pd.DataFrame) -> pd.Series:
    """The validation error of each rate, averaged over data sets; missing where a run did not converge.

    Args:
        by_rate: as `validation_by_rate` gives it.
    """
    means = by_rate["mean"].where(by_rate["diverged"] == 0)
    return means.groupby(by_rate["rate"], sort=False).agg(lambda errors: errors.mean(skipna=False))


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
        [rate_name(rate), *(cells[rate, dataset] for dataset in datasets), percent(mean)]
        for rate, mean in means.items()
    ]
    head = ("rate", *(DATASETS[dataset].title for dataset in datasets), "mean over sets")
    return Table(head, rows, "Validation error of the best epoch by learning rate", name)


def chosen_rate(by_rate: pd.DataFrame, used: Mapping[str, float], profile: str) -> Notice:
    """Which rate has the lowest mean validation error, and whether the profile's other pages use it.

    Args:
        by_rate: as `validation_by_rate` gives it.
        used: the base rate of each page of the profile that fine-tunes the same encoder.
        profile: its name.
    """
    title = "The base rate"
    means = mean_over_datasets(by_rate).dropna()
    if means.empty:
        return Notice("warning", title, "At every rate some run did not converge, so none can be chosen.")
    best = means.idxmin()
    text = f"{rate_name(best)} has the lowest mean validation error, {percent(means[best])}."
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
