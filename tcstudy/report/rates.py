"""Learning rates: which has the lowest validation error, and what each leaves of what was learnt before."""

from collections.abc import Collection, Mapping

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
from tcstudy.spec import EncoderSpec
from tcstudy.study.plan import known_facts
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
        [rate_name(rate), *(cells[rate, dataset] for dataset in datasets), percent_range(mean)]
        for rate, mean in means.iterrows()
    ]
    head = ("rate", *(dataset_title(dataset) for dataset in datasets), "mean over sets")
    caption = "Validation error of the best epoch by learning rate"
    return Table(head, rows, caption, name, note(by_rate, "validation documents"))


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
    if _at_edge(best, by_rate["rate"]):
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


def _at_edge(rate: float | None, tried: Collection[float]) -> bool:
    """Whether a rate is the lowest or the highest of several that were tried."""
    return rate in (min(tried), max(tried)) and len(set(tried)) > 1


def rates_of_encoders(records: Mapping[RunKey, Record]) -> dict[EncoderSpec, float]:
    """For each encoder the rate with the lowest validation error, a mean over data sets of means over seeds.

    A rate at which a run did not converge is out; an encoder for which none is left is left out.
    """
    found = pd.DataFrame(
        {
            "dataset": [key.dataset for key in records],
            "encoder": [record.spec.encoder.id for record in records.values()],
            "rate": [record.spec.training.learning_rate for record in records.values()],
            "error": [best_validation_error(record) for record in records.values()],
        }
    )
    of_sets = found.groupby(["encoder", "rate", "dataset"])["error"].agg(lambda errors: errors.mean(skipna=False))
    means = of_sets.groupby(["encoder", "rate"]).agg(lambda errors: errors.mean(skipna=False)).dropna()
    best = {name: of_rate.idxmin()[1] for name, of_rate in means.groupby("encoder")}
    encoders = dict.fromkeys(record.spec.encoder for record in records.values())
    return {encoder: best[encoder.id] for encoder in encoders if encoder.id in best}


def at_their_rates(records: Mapping[RunKey, Record], titles: Mapping[EncoderSpec, str]) -> dict[RunKey, Record]:
    """The runs of each encoder at the rate that `rates_of_encoders` chooses for it, under the encoder's title."""
    rates = rates_of_encoders(records)
    return {
        key._replace(variant=titles[record.spec.encoder]): record
        for key, record in records.items()
        if record.spec.training.learning_rate == rates.get(record.spec.encoder)
    }


def encoders_table(records: Mapping[RunKey, Record], titles: Mapping[EncoderSpec, str], name: str) -> Table:
    """Encoders in rows: layers, the rate chosen for each, and its validation error at every rate that was tried.

    Args:
        records: of every encoder at every rate.
        titles: how each encoder is called.
        name: target of cross-references.
    """
    chosen = rates_of_encoders(records)
    tried = sorted({record.spec.training.learning_rate for record in records.values()})
    rows = []
    for encoder, title in titles.items():
        own = {key: record for key, record in records.items() if record.spec.encoder == encoder}
        means = mean_over_datasets(validation_by_rate(own))
        rate = rate_name(chosen[encoder]) if encoder in chosen else "–"
        facts = known_facts(encoder.name, encoder.revision)
        layers = str(encoder.layers or facts.layers)
        rows.append([title, layers, f"{facts.width:,}", rate, *(percent_range(means.loc[value]) for value in tried)])
    head = ("encoder", "layers", "width", "chosen rate", *(f"validation error at {rate_name(rate)}" for rate in tried))
    edge = [title for encoder, title in titles.items() if _at_edge(chosen.get(encoder), tried)]
    told = (
        f"The rate chosen for {' and '.join(edge)} is at the edge of those that were tried, so one beyond it may be "
        "better still, and the error lower than this page shows."
        if edge
        else ""
    )
    return Table(head, rows, "The encoders, and the learning rate that each is compared at", name, told)
