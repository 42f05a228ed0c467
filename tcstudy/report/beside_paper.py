"""Tables of many data sets, ours above the paper's, and what of the paper's was not run."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from tcstudy.catalog.datasets import absence, dataset_title
from tcstudy.experiments.base import FineTuningExperiment, RunKey
from tcstudy.report.cells import error_cell, few, note, share_cell, together
from tcstudy.report.reductions import reductions
from tcstudy.report.stats import error_matrix, error_reduction, printed_matrix
from tcstudy.report.tables import Notice, Table, percent
from tcstudy.study.record import Record


def errors(ours: pd.DataFrame, printed: pd.Series, caption: str, name: str) -> Table:
    """The errors of each variant and, in the row `paper` below, the paper's; a column for each data set of either.

    Args:
        ours: as `stats.errors` gives them.
        printed: as `published.printed_errors` gives it.
        caption: without the unit.
        name: target of cross-references.
    """
    cells = error_matrix(ours.assign(mean=[error_cell(row, unit="") for _, row in ours.iterrows()]))
    return _stacked(cells, printed_matrix(printed).map(in_percent, digits=2), caption, name, note(ours))


def side_by_side(ours: pd.DataFrame, printed: pd.Series, caption: str, name: str) -> Table:
    """Variants in rows, the paper's own below ours; our errors for each data set, then the paper's for each of its.

    Args:
        ours: as `stats.errors` gives them.
        printed: as `published.printed_errors` gives it.
        caption: a sentence.
        name: target of cross-references.
    """
    cells = {(row["variant"], row["dataset"]): error_cell(row) for _, row in ours.iterrows()}
    datasets, papers = ours["dataset"].unique(), printed.index.get_level_values("column").unique()
    variants = dict.fromkeys([*ours["variant"], *printed.index.get_level_values("row")])
    rows = [
        [
            variant,
            *(cells.get((variant, dataset), "–") for dataset in datasets),
            *(percent(printed.get((variant, dataset), float("nan")), 2) for dataset in papers),
        ]
        for variant in variants
    ]
    head = [
        "variant",
        *(f"{dataset_title(name)}, here" for name in datasets),
        *(f"{dataset_title(name)}, paper" for name in papers),
    ]
    return Table(head, rows, caption, name, note(ours))


def gains(
    records: Mapping[RunKey, Record], printed: pd.Series, pairs: Mapping[str, str], caption: str, name: str
) -> Table:
    """The relative error reduction of one variant against another, and, in the row `paper` below, the paper's.

    Args:
        records: the page's records by key.
        printed: as `published.printed_errors` gives it.
        pairs: what each variant is compared with, by variant.
        caption: without the unit.
        name: target of cross-references.
    """
    ours = reductions(records, pairs)
    cells = pd.Series(
        [share_cell(row["mean"], row["low"], row["high"], "") for _, row in ours.iterrows()],
        index=pd.MultiIndex.from_arrays([ours["variant"] + " against " + ours["reference"], ours["dataset"]]),
    ).unstack(sort=False)
    papers = _reductions(printed_matrix(printed), pairs).map(in_percent)
    said = (
        "In brackets 95% intervals over runs and test documents; where one holds no zero, the errors differ. "
        f"{together(ours['p'])}{few(ours['runs'])}"
    )
    return _stacked(cells, papers, caption, name, said)


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


def _stacked(ours: pd.DataFrame, papers: pd.DataFrame, caption: str, name: str, note: str) -> Table:
    columns = sorted(dict.fromkeys([*ours.columns, *papers.columns]), key=lambda column: column == "mean")
    rows = []
    for variant in dict.fromkeys([*ours.index, *papers.index]):
        if variant in ours.index:
            rows.append([dataset_title(variant), *_cells(ours, variant, columns)])
        if variant in papers.index:
            name_of_row = "paper" if variant in ours.index else f"{dataset_title(variant)} (paper)"
            rows.append([name_of_row, *_cells(papers, variant, columns)])
    return Table(
        ["variant", *(dataset_title(column) for column in columns)], rows, f"{caption}, in percent", name, note
    )


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
    rows = [(dataset_title(name), (name in asked_for and absence(name)) or "not in this profile") for name in missing]
    caption = "Data sets of the paper's table that were not run"
    return Table(("data set", "reason"), rows, caption, f"not-run-{experiment.page}")
