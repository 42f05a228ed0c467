"""Test error by the number of labelled documents, with and without further pre-training."""

from collections.abc import Mapping

import pandas as pd

from tcstudy.catalog.datasets import DATASETS
from tcstudy.experiments.base import RunKey
from tcstudy.experiments.few_shot import PLAIN, PRETRAINED
from tcstudy.report.stats import outcomes, spread_over_seeds
from tcstudy.report.tables import Notice, Table, error_cell, percent
from tcstudy.study.record import Record


def error_by_documents(records: Mapping[RunKey, Record]) -> pd.DataFrame:
    """Test error over draws and seeds, by data set, encoder and number of labelled documents.

    Returns:
        As `stats.spread_over_seeds` (its "seeds" are runs, one for each draw and seed), with the columns method,
        subset and labelled, the number of documents that were trained on.
    """
    spread = spread_over_seeds(outcomes(records))
    labelled = {(key.dataset, key.variant): record.data.used_train for key, record in records.items()}
    names = spread["variant"].str.split(", ", n=1, expand=True)
    cells = zip(spread["dataset"], spread["variant"], strict=True)
    return spread.assign(method=names[0], subset=names[1], labelled=[labelled[cell] for cell in cells])


def reductions(spread: pd.DataFrame) -> pd.DataFrame:
    """What further pre-training takes off the mean error, by data set and subset.

    Args:
        spread: as `error_by_documents` gives it.

    Returns:
        Columns dataset, subset, labelled, plain, pretrained (mean errors) and reduction (relative: 0.25 is a quarter
        less).
    """
    means = spread.pivot(index=["dataset", "subset", "labelled"], columns="method", values="mean")
    means = means.rename(columns={PLAIN: "plain", PRETRAINED: "pretrained"}).reset_index().rename_axis(columns=None)
    return means.assign(reduction=1 - means["pretrained"] / means["plain"]).sort_values(
        ["dataset", "labelled"], ignore_index=True
    )


def documents_table(spread: pd.DataFrame, printed: pd.Series, name: str) -> Table:
    """One row for each data set and subset, the paper's numbers beside the same share of the same set.

    Args:
        spread: as `error_by_documents` gives it.
        printed: `published.printed_errors("figure-4")`.
        name: target of cross-references.
    """
    cells = {(row["dataset"], row["method"], row["subset"]): error_cell(row) for _, row in spread.iterrows()}
    rows = [
        [
            row["subset"],
            DATASETS[row["dataset"]].title,
            f"{row['labelled']:,}",
            *(cells[row["dataset"], method, row["subset"]] for method in (PLAIN, PRETRAINED)),
            percent(row["reduction"]),
            *(
                percent(printed.get((method, f"{row['dataset']}, {row['subset']}"), float("nan")), 2)
                for method in (PLAIN, PRETRAINED)
            ),
        ]
        for _, row in reductions(spread).iterrows()
    ]
    head = (
        "subset",
        "data set",
        "labelled",
        f"{PLAIN}, here",
        f"{PRETRAINED}, here",
        "relative reduction",
        f"{PLAIN}, paper",
        f"{PRETRAINED}, paper",
    )
    return Table(head, rows, "Test error by labelled documents, with and without further pre-training", name)


def few_shot_found(spread: pd.DataFrame) -> Notice:
    """What further pre-training is worth with the fewest and with the most labelled documents.

    Args:
        spread: as `error_by_documents` gives it.
    """
    sentences = []
    for dataset, cells in reductions(spread).groupby("dataset", sort=False):
        known = cells.dropna(subset="reduction")
        if known.empty:
            sentences.append(f"{DATASETS[dataset].title}: no subset has runs that converged with both encoders.")
            continue
        fewest, most = known.iloc[0], known.iloc[-1]
        largest = known.loc[known["reduction"].idxmax()]
        sentences.append(
            f"{DATASETS[dataset].title}: with {fewest['labelled']:,} labelled documents further pre-training changes "
            f"the mean error from {percent(fewest['plain'])} to {percent(fewest['pretrained'])}, with "
            f"{most['labelled']:,} from {percent(most['plain'])} to {percent(most['pretrained'])}. "
            + (
                f"The relative reduction is largest, {percent(largest['reduction'])}, with {largest['labelled']:,}."
                if largest["reduction"] > 0
                else "It lowers the error of no subset."
            )
        )
    if (spread["seeds"] == 1).all():
        sentences.append("With a single run this may be chance.")
    return Notice("tip", "What these runs show", "\n\n".join(sentences))
