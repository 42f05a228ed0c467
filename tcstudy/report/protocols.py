"""How each choice of the released code changes the reported error, against the clean run with the same seed."""

import pandas as pd

from tcstudy.catalog.datasets import dataset_title
from tcstudy.report.cells import error_cell, note
from tcstudy.report.tables import Notice, Table, escape_markdown, points


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
    """Test errors, and how each choice changes them.

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
    caption = "Test error with one choice at a time made as in the released code"
    return Table(head, rows, caption, name, note(errors))


def released_found(errors: pd.DataFrame) -> Notice:
    """Which choices significantly lower or raise the reported error, and which do not.

    Args:
        errors: as in `differences`.
    """
    paragraphs = []
    for dataset, cells in differences(errors).dropna(subset="mean").groupby("dataset", sort=False):
        same = (cells["mean"] == 0) & (cells["low"] == cells["high"])
        shown = ~same & cells["differs"]
        groups = {
            "Significantly lower": cells[shown & (cells["mean"] < 0)],
            "Significantly higher": cells[shown & (cells["mean"] > 0)],
            "Identical on every document": cells[same],
            "No significant difference": cells[~same & ~shown],
        }
        told = [f"{verdict}: {_named(group)}." for verdict, group in groups.items() if len(group)]
        title = escape_markdown(dataset_title(dataset))
        paragraphs.append(f"{title}, in points against the clean run. {' '.join(told)}")
    if not paragraphs:
        paragraphs = ["No pair of runs converged."]
    elif (errors["runs"] == 1).all():
        paragraphs.append("These are runs of a single seed; another seed may give other errors.")
    return Notice("tip", "What these runs show", "\n\n".join(paragraphs))


def _named(group: pd.DataFrame) -> str:
    return "; ".join(f"{row['variant']} ({points(row['mean'])})" for _, row in group.iterrows())
