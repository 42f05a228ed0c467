"""What each choice of the released code changes in the reported error, against the clean run with the same seed."""

import pandas as pd

from tcstudy.catalog.datasets import dataset_title
from tcstudy.report.cells import error_cell, note
from tcstudy.report.tables import Notice, Table


def differences(errors: pd.DataFrame) -> pd.DataFrame:
    """Error of each variant minus that of its baseline on the same documents with the same seeds.

    Args:
        errors: as `stats.errors` gives them, each variant compared with its baseline.

    Returns:
        The compared rows, with mean, low and high of the difference instead of the error.
    """
    changes = {"change": "mean", "change_low": "low", "change_high": "high"}
    return errors[errors["reference"].notna()].drop(columns=list(changes.values())).rename(columns=changes)


def differences_table(errors: pd.DataFrame, name: str) -> Table:
    """Test errors, and what each choice changes in them.

    Args:
        errors: as in `differences`.
        name: target of cross-references.
    """
    rows = [
        [
            row["variant"],
            dataset_title(row["dataset"]),
            error_cell(row),
        ]
        for _, row in errors.iterrows()
    ]
    head = ("variant", "data set", "test error; difference from the clean run")
    caption = "Test error by what is done as in the released code, one choice at a time"
    return Table(head, rows, caption, name, note(errors))


def released_found(errors: pd.DataFrame) -> Notice:
    """Which choices were shown to lower or raise the reported error, and which were not.

    Args:
        errors: as in `differences`.
    """
    paragraphs = []
    for dataset, cells in differences(errors).dropna(subset="mean").groupby("dataset", sort=False):
        same = (cells["mean"] == 0) & (cells["low"] == cells["high"])
        shown = ~same & cells["differs"]
        groups = {
            "Shown to be lower": cells[shown & (cells["mean"] < 0)],
            "Shown to be higher": cells[shown & (cells["mean"] > 0)],
            "The same on every document": cells[same],
            "Not shown to differ": cells[~same & ~shown],
        }
        told = [f"{verdict}: {_named(group)}." for verdict, group in groups.items() if len(group)]
        paragraphs.append(f"{dataset_title(dataset)}, in points against the clean run. {' '.join(told)}")
    if not paragraphs:
        paragraphs = ["No pair of runs converged."]
    elif (errors["runs"] == 1).all():
        paragraphs.append("With a single seed it is not known what another would give.")
    return Notice("tip", "What these runs show", "\n\n".join(paragraphs))


def _named(group: pd.DataFrame) -> str:
    return "; ".join(f"{row['variant']} ({100 * row['mean']:+.1f})" for _, row in group.iterrows())
