"""Tables of many data sets, ours above the paper's, and what of the paper's was not run."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from tcstudy.catalog.datasets import DATASETS, absence
from tcstudy.experiments.base import FineTuningExperiment, RunKey
from tcstudy.report.stats import error_matrix, error_reduction, printed_matrix
from tcstudy.report.tables import Notice, Table, error_cell, percent


def title(name: str) -> str:
    """A data set's title; any other name as it is."""
    return DATASETS[name].title if name in DATASETS else name


def errors(spread: pd.DataFrame, printed: pd.Series, caption: str, name: str) -> Table:
    """The errors of each variant and, in the row `paper` below, the paper's; a column for each data set of either.

    Args:
        spread: as `stats.spread_over_seeds` gives it.
        printed: as `published.printed_errors` gives it.
        caption: without the unit.
        name: target of cross-references.
    """
    cells = spread.assign(mean=[error_cell(row).replace("%", "") for _, row in spread.iterrows()])
    return _stacked(error_matrix(cells), printed_matrix(printed).map(in_percent, digits=2), caption, name)


def gains(spread: pd.DataFrame, printed: pd.Series, pairs: Mapping[str, str], caption: str, name: str) -> Table:
    """The relative error reduction of one variant against another, and, in the row `paper` below, the paper's.

    Args:
        spread: as `stats.spread_over_seeds` gives it.
        printed: as `published.printed_errors` gives it.
        pairs: what each variant is compared with, by variant.
        caption: without the unit.
        name: target of cross-references.
    """
    ours, papers = (_reductions(matrix, pairs) for matrix in (error_matrix(spread), printed_matrix(printed)))
    return _stacked(ours.map(in_percent), papers.map(in_percent), caption, name)


def in_percent(share: float, digits: int = 1) -> str:
    """A share as a percentage without its sign, for narrow columns, or a dash where there is none."""
    return percent(share, digits).replace("%", "")


def _reductions(matrix: pd.DataFrame, pairs: Mapping[str, str]) -> pd.DataFrame:
    """One row for each pair, and the mean over the data sets in the last column."""
    rows = {
        f"{variant} against {reference}": error_reduction(matrix.loc[[variant, reference]], reference).loc[variant]
        for variant, reference in pairs.items()
    }
    reductions = pd.DataFrame.from_dict(rows, orient="index")
    return reductions.assign(mean=reductions.mean(axis=1))


def _stacked(ours: pd.DataFrame, papers: pd.DataFrame, caption: str, name: str) -> Table:
    columns = sorted(dict.fromkeys([*ours.columns, *papers.columns]), key=lambda column: column == "mean")
    rows = []
    for variant in dict.fromkeys([*ours.index, *papers.index]):
        if variant in ours.index:
            rows.append([title(variant), *_cells(ours, variant, columns)])
        if variant in papers.index:
            name_of_row = "paper" if variant in ours.index else f"{title(variant)} (paper)"
            rows.append([name_of_row, *_cells(papers, variant, columns)])
    return Table(["", *(title(column) for column in columns)], rows, f"{caption}, in percent", name)


def _cells(matrix: pd.DataFrame, variant: str, columns: Sequence[str]) -> list[str]:
    return [cell if isinstance(cell, str) else "–" for cell in matrix.loc[variant].reindex(columns)]


def not_run(experiment: FineTuningExperiment, records: Iterable[RunKey], printed: pd.Series) -> Table | Notice:
    """Data sets of the paper's table that have no record on this page, and why.

    Args:
        experiment: of the page.
        records: the page's records by key, or their keys.
        printed: as `published.printed_errors` gives it.
    """
    run = {key.dataset for key in records}
    missing = [name for name in printed_matrix(printed).columns if name not in run]
    if not missing:
        return Notice("note", "Not run", "Nothing: this page has all data sets of the paper's table.")
    asked_for = {data.name for data in experiment.data}
    rows = [(title(name), (name in asked_for and absence(name)) or "not in this profile") for name in missing]
    caption = "Data sets of the paper's table that were not run"
    return Table(("data set", "reason"), rows, caption, f"not-run-{experiment.page}")
