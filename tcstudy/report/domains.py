"""What further pre-training on one corpus changes on every data set."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tcstudy.catalog.datasets import dataset_facts
from tcstudy.experiments.base import RunKey
from tcstudy.experiments.domains import PLAIN, corpora
from tcstudy.report.cells import mark, share_cell, title
from tcstudy.report.intervals import combined, estimate, spread
from tcstudy.report.reductions import values_of
from tcstudy.report.stats import error_matrix, error_reduction
from tcstudy.report.tables import Table, percent
from tcstudy.study.record import Record

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


def intervals(errors: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The intervals of `changes` as text (`below`), and `marks` at those that were not shown to differ from none.

    Args:
        errors: as `stats.errors` gives them, compared with no further pre-training.
    """
    compared = errors[errors["variant"] != PLAIN]
    texts = [
        "" if pd.isna(row["change"]) else f"{100 * row['change_low']:+.1f} to {100 * row['change_high']:+.1f}"
        for _, row in compared.iterrows()
    ]
    columns = {"below": texts, "marks": [mark(alike) for alike in compared["alike"]]}
    return {name: error_matrix(compared.assign(mean=column)).fillna("") for name, column in columns.items()}


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


def by_relation(records: Mapping[RunKey, Record], papers: pd.DataFrame) -> Table:
    """Mean relative error reduction by what the corpus is to the task, here and in the paper's Table 5.

    Args:
        records: of the page.
        papers: errors as `stats.error_matrix` gives them.
    """
    columns = [_ours_by_relation(records), _means_by_relation(papers)]
    rows = [[name, *(cell for means in columns for cell in means.get(name, ["–", "–"]))] for name in RELATIONS]
    head = ("corpus", "here", "cells", "paper", "cells")
    caption = "Relative error reduction against no further pre-training, averaged over cells of corpus and data set"
    note = "In brackets the 95% interval over runs and test documents; cells of one data set share these."
    return Table(head, rows, caption, "tab-domains-relation", note)


def _ours_by_relation(records: Mapping[RunKey, Record]) -> dict[str, list[str]]:
    members = corpora(list(dict.fromkeys(key.dataset for key in records)))
    groups: dict[str, dict[str, list[str]]] = {}  # corpora by relation and data set
    for (dataset, corpus), values in _against_plain(records).items():
        if values.size:
            groups.setdefault(relation(members[corpus], dataset), {}).setdefault(dataset, []).append(corpus)
    found = {}
    for name, by_dataset in groups.items():
        cells = sum(map(len, by_dataset.values()))
        sums = [_sum_over(names, dataset, records) / cells for dataset, names in by_dataset.items()]
        if all(values.size for values in sums):
            whole = combined([spread(values) for values in sums])
            mean = estimate(whole, min(map(len, sums)), sum(values.shape[1] for values in sums))
            found[name] = [share_cell(mean.mean, mean.low, mean.high), str(cells)]
    return found


def _sum_over(names: Sequence[str], dataset: str, records: Mapping[RunKey, Record]) -> np.ndarray:
    """The sum of the corpora's values on a data set, shape (runs, documents), for seeds that ended well with each."""
    on_it = {key: record for key, record in records.items() if key.dataset == dataset and record.test}
    seeds = set.intersection(*({key.seed for key in on_it if key.variant == name} for name in (*names, PLAIN)))
    paired = {key: record for key, record in on_it.items() if key.seed in seeds}
    values = _against_plain(paired)
    return sum(values[dataset, name] for name in names) if seeds else np.zeros((0, 0))


def _against_plain(records: Mapping[RunKey, Record]) -> dict[tuple[str, str], np.ndarray]:
    return values_of(records, {key.variant: PLAIN for key in records if key.variant != PLAIN})


def _means_by_relation(matrix: pd.DataFrame) -> dict[str, list[str]]:
    members = corpora(list(matrix.columns))
    cells = error_reduction(matrix, PLAIN).rename_axis(index="corpus", columns="dataset").stack().dropna()
    relations = [relation(members[corpus], dataset) for corpus, dataset in cells.index]
    return {name: [percent(group.mean()), str(len(group))] for name, group in cells.groupby(relations)}
