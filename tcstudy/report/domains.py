"""What further pre-training on one corpus changes on every data set."""

from collections.abc import Sequence

import pandas as pd

from tcstudy.catalog.datasets import dataset_facts
from tcstudy.experiments.domains import PLAIN, corpora
from tcstudy.report.beside_paper import title
from tcstudy.report.stats import error_reduction
from tcstudy.report.tables import Table, percent

RELATIONS = (
    "the task's own texts",
    "its own and others of its kind",
    "others of its kind only",
    "other kinds only",
    "all kinds, its own texts among them",
)


def changes(matrix: pd.DataFrame) -> pd.DataFrame:
    """Difference of each corpus's errors to those without further pre-training, in percentage points.

    Args:
        matrix: errors as `stats.error_matrix` gives them.

    Returns:
        One row for each corpus and one column for each data set, called by their titles.
    """
    points = 100 * (matrix.drop(index=PLAIN) - matrix.loc[PLAIN])
    return points.rename(index=title, columns=title)


def inside(matrix: pd.DataFrame) -> pd.DataFrame:
    """Whether the corpus holds texts of the data set, for each cell of `changes`."""
    members = corpora(list(matrix.columns))
    rows = {corpus: matrix.columns.isin(members[corpus]) for corpus in matrix.index if corpus != PLAIN}
    return pd.DataFrame.from_dict(rows, orient="index", columns=matrix.columns)


def relation(corpus: Sequence[str], dataset: str) -> str:
    """What a corpus is to a task, one of `RELATIONS`.

    >>> relation(["imdb", "yelp_full"], "imdb"), relation(["yelp_full"], "imdb")
    ('its own and others of its kind', 'others of its kind only')
    """
    if list(corpus) == [dataset]:
        return RELATIONS[0]
    same_kind = {dataset_facts(name).kind for name in corpus} == {dataset_facts(dataset).kind}
    if dataset in corpus:
        return RELATIONS[1] if same_kind else RELATIONS[4]
    return RELATIONS[2] if same_kind else RELATIONS[3]


def by_relation(ours: pd.DataFrame, papers: pd.DataFrame) -> Table:
    """Mean relative error reduction by what the corpus is to the task, here and in the paper's Table 5.

    Args:
        ours, papers: errors as `stats.error_matrix` gives them.
    """
    columns = [_means_by_relation(matrix) for matrix in (ours, papers)]
    rows = [[name, *(cell for means in columns for cell in means.get(name, ["–", "–"]))] for name in RELATIONS]
    head = ("corpus", "here", "cells", "paper", "cells")
    caption = "Relative error reduction against no further pre-training, averaged over cells of corpus and data set"
    return Table(head, rows, caption, "tab-domains-relation")


def _means_by_relation(matrix: pd.DataFrame) -> dict[str, list[str]]:
    members = corpora(list(matrix.columns))
    cells = error_reduction(matrix, PLAIN).rename_axis(index="corpus", columns="dataset").stack().dropna()
    relations = [relation(members[corpus], dataset) for corpus, dataset in cells.index]
    return {name: [percent(group.mean()), str(len(group))] for name, group in cells.groupby(relations)}
