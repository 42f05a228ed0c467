"""The numbers that the paper printed."""

from functools import cache
from importlib.resources import files

import pandas as pd


def published(source: str) -> pd.DataFrame:
    """What the paper's table or figure `source` ("table-2") says.

    Returns:
        One row for each printed number: `row`, `column`, `value` (text as printed) and `note`. Error rates are in
        percent.

    Raises:
        KeyError: the paper has no such table or figure.
    """
    printed = _printed()
    rows = printed[printed["source"] == source].drop(columns="source").reset_index(drop=True)
    if rows.empty:
        raise KeyError(f"{source}: the paper has {', '.join(printed['source'].unique())}")
    return rows


@cache
def _printed() -> pd.DataFrame:
    with files(__package__).joinpath("published.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, dtype=str, keep_default_na=False)


def printed_errors(source: str) -> pd.Series:
    """The error rates of a table, as shares, by `row` and `column`."""
    rows = published(source)
    return pd.to_numeric(rows.set_index(["row", "column"])["value"]) / 100
