"""What each choice of the released code changes in the reported error, against the clean run with the same seed."""

from collections.abc import Mapping

import pandas as pd

from tcstudy.catalog.datasets import DATASETS
from tcstudy.report.tables import Notice, Table, error_cell


def differences(runs: pd.DataFrame, baselines: Mapping[str, str]) -> pd.DataFrame:
    """Error of each variant minus that of its baseline with the same seed, over seeds.

    Args:
        runs: as `stats.outcomes` gives them.
        baselines: the baseline of each variant.

    Returns:
        Columns dataset, variant, baseline, mean, low, high (of the difference), pairs (seeds of which both runs
        converged), lower and higher (in how many of the pairs the variant's error is); one row for each data set and
        variant, in the order of `runs`.
    """
    clean = runs[["dataset", "variant", "seed", "error"]].rename(columns={"variant": "baseline", "error": "clean"})
    changed = runs[runs["variant"].isin(baselines)]
    pairs = changed.assign(baseline=changed["variant"].map(baselines)).merge(clean, on=["dataset", "baseline", "seed"])
    pairs["difference"] = pairs["error"] - pairs["clean"]
    by_cell = pairs.groupby(["dataset", "variant", "baseline"], sort=False)["difference"]
    return by_cell.agg(
        mean="mean",
        low="min",
        high="max",
        pairs="count",
        lower=lambda differences: int((differences < 0).sum()),
        higher=lambda differences: int((differences > 0).sum()),
    ).reset_index()


def differences_table(spread: pd.DataFrame, against: pd.DataFrame, name: str) -> Table:
    """Test errors, and what each choice changes in them.

    Args:
        spread: as `stats.spread_over_seeds` gives it.
        against: as `differences` gives it.
        name: target of cross-references.
    """
    changes = against.set_index(["dataset", "variant"])
    rows = []
    for _, row in spread.iterrows():
        cell = (row["dataset"], row["variant"])
        change = changes.loc[cell] if cell in changes.index else None
        compared = ["–", "–"] if change is None else [points(change), f"{change['lower']} of {change['pairs']}"]
        rows.append([row["variant"], DATASETS[row["dataset"]].title, error_cell(row), *compared])
    head = ("variant", "data set", "test error", "against the clean run", "seeds with a lower error")
    return Table(head, rows, "Test error by what is done as in the released code, one choice at a time", name)


def points(change: pd.Series) -> str:
    """A difference in percentage points with its range over seeds if there are several, or a dash.

    >>> points(pd.Series({"mean": -0.012, "low": -0.02, "high": 0.0, "pairs": 2}))
    '-1.2 points (-2.0 to +0.0)'
    """
    if change["pairs"] == 0:
        return "–"
    mean, low, high = (f"{round(100 * change[name], 1) + 0:+.1f}" for name in ("mean", "low", "high"))
    return f"{mean} points" if change["pairs"] == 1 else f"{mean} points ({low} to {high})"


def released_found(against: pd.DataFrame) -> Notice:
    """Which choices lower the reported error with every seed, which raise it, and which do neither.

    Args:
        against: as `differences` gives it.
    """
    paragraphs = []
    for dataset, cells in against[against["pairs"] > 0].groupby("dataset", sort=False):
        same = (cells["lower"] == 0) & (cells["higher"] == 0)
        lower, higher = cells["lower"] == cells["pairs"], cells["higher"] == cells["pairs"]
        groups = {
            "Lower with every seed": cells[lower],
            "Higher with every seed": cells[higher],
            "The same with every seed": cells[same],
            "Lower with some seeds and not with others": cells[~(lower | higher | same)],
        }
        told = [f"{verdict}: {_named(group)}." for verdict, group in groups.items() if len(group)]
        paragraphs.append(f"{DATASETS[dataset].title}, in points against the clean run. {' '.join(told)}")
    if not paragraphs:
        paragraphs = ["No pair of runs converged."]
    elif against["pairs"].max() == 1:
        paragraphs.append("With a single seed this may be chance.")
    return Notice("tip", "What these runs show", "\n\n".join(paragraphs))


def _named(group: pd.DataFrame) -> str:
    return "; ".join(f"{row['variant']} ({100 * row['mean']:+.1f})" for _, row in group.iterrows())
