"""Sentences computed from numbers, so that prose never holds a number that was typed."""

import pandas as pd

from tcstudy.catalog.datasets import DATASETS
from tcstudy.report.tables import Notice, percent


def lowest_errors(spread: pd.DataFrame, reference: str) -> Notice:
    """Which variant has the lowest mean error on each data set, and whether seeds alone could explain it.

    Args:
        spread: as `stats.spread_over_seeds` gives it.
        reference: the variant that the paper recommends.
    """
    sentences = [_sentence(name, cells, reference) for name, cells in spread.groupby("dataset", sort=False)]
    return Notice("tip", "What these runs show", "\n\n".join(sentences))


def _sentence(dataset: str, cells: pd.DataFrame, reference: str) -> str:
    title = DATASETS[dataset].title
    converged = cells.dropna(subset="mean").set_index("variant")
    if converged.empty:
        return f"{title}: no run converged."
    best = converged["mean"].idxmin()
    first = f"{title}: {best} has the lowest mean error, {percent(converged.loc[best, 'mean'])}"
    if best == reference or reference not in converged.index:
        return f"{first}."
    other = converged.loc[reference]
    if min(other["seeds"], converged.loc[best, "seeds"]) == 1:
        return f"{first}; {reference} has {percent(other['mean'])}. With a single seed this may be chance."
    overlap = other["low"] <= converged.loc[best, "high"]
    apart = "their ranges over seeds overlap" if overlap else "their ranges over seeds do not overlap"
    return f"{first}; {reference} has {percent(other['mean'])}, and {apart}."
