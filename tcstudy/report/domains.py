"""What further pre-training on one corpus changes on every data set."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tcstudy.catalog.datasets import dataset_title
from tcstudy.experiments.base import RunKey
from tcstudy.experiments.domains import PLAIN, corpora
from tcstudy.report.cells import share_cell
from tcstudy.report.frame import RELATIONS, every_column, of_variants, relation
from tcstudy.report.intervals import combined, estimate, spread
from tcstudy.report.reductions import values_of
from tcstudy.report.stats import error_matrix, error_reduction
from tcstudy.report.tables import Table, percent, points
from tcstudy.study.record import Record

Corpora = Mapping[str, Sequence[str]]
"""The data sets of each variant's corpus, by its title; none for the one without further pre-training."""


def corpora_of(records: Mapping[RunKey, Record]) -> Corpora:
    """The corpora of a page's variants."""
    found = of_variants(every_column(records), "pretraining.corpus")
    return {variant: corpus for (_, variant), corpus in found.items()}


def printed_corpora(matrix: pd.DataFrame) -> Corpora:
    """The corpora of the paper's Table 5, whose rows are called as `experiments.domains` calls them."""
    return {PLAIN: (), **corpora(list(matrix.columns))}


def plain_of(members: Corpora) -> str:
    """The variant without further pre-training."""
    [plain] = [variant for variant, corpus in members.items() if not corpus]
    return plain


def changes(matrix: pd.DataFrame, members: Corpora) -> pd.DataFrame:
    """Difference of each corpus's errors to those without further pre-training, in percentage points.

    Args:
        matrix: errors as `stats.error_matrix` gives them.
        members: the corpora of its rows.

    Returns:
        One row for each corpus and one column for each data set, called by their titles.
    """
    plain = plain_of(members)
    points = 100 * (matrix.drop(index=plain) - matrix.loc[plain])
    return points.rename(index=dataset_title, columns=dataset_title)


def intervals(errors: pd.DataFrame) -> pd.DataFrame:
    """The intervals of `changes` as text.

    Args:
        errors: as `stats.errors` gives them, compared with no further pre-training.
    """
    compared = errors[errors["reference"].notna()]
    texts = [
        "" if pd.isna(row["change"]) else f"{points(row['change_low'])} to\n{points(row['change_high'])}"
        for _, row in compared.iterrows()
    ]
    return error_matrix(compared.assign(mean=texts)).fillna("")


def inside(matrix: pd.DataFrame, members: Corpora) -> pd.DataFrame:
    """Whether the corpus holds texts of the data set, for each cell of `changes`."""
    rows = {corpus: matrix.columns.isin(members[corpus]) for corpus in matrix.index if members[corpus]}
    return pd.DataFrame.from_dict(rows, orient="index", columns=matrix.columns)


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
    members = corpora_of(records)
    plain = plain_of(members)
    groups: dict[str, dict[str, list[str]]] = {}  # corpora by relation and data set
    for (dataset, corpus), values in _against(plain, records).items():
        if values.size:
            groups.setdefault(relation(members[corpus], dataset), {}).setdefault(dataset, []).append(corpus)
    found = {}
    for name, by_dataset in groups.items():
        cells = sum(map(len, by_dataset.values()))
        sums = [_sum_over(names, plain, dataset, records) / cells for dataset, names in by_dataset.items()]
        if all(values.size for values in sums):
            whole = combined([spread(values) for values in sums])
            mean = estimate(whole, min(map(len, sums)), sum(values.shape[1] for values in sums))
            found[name] = [share_cell(mean.mean, mean.low, mean.high), str(cells)]
    return found


def _sum_over(names: Sequence[str], plain: str, dataset: str, records: Mapping[RunKey, Record]) -> np.ndarray:
    """The sum of the corpora's values on a data set, shape (runs, documents), for runs that ended well with each."""
    on_it = {key: record for key, record in records.items() if key.dataset == dataset and record.test}
    pairs = set.intersection(
        *({(key.draw, key.seed) for key in on_it if key.variant == name} for name in (*names, plain))
    )
    paired = {key: record for key, record in on_it.items() if (key.draw, key.seed) in pairs}
    values = _against(plain, paired)
    return sum(values[dataset, name] for name in names) if pairs else np.zeros((0, 0))


def _against(plain: str, records: Mapping[RunKey, Record]) -> dict[tuple[str, str], np.ndarray]:
    return values_of(records, {key.variant: plain for key in records if key.variant != plain})


def _means_by_relation(matrix: pd.DataFrame) -> dict[str, list[str]]:
    members = printed_corpora(matrix)
    cells = error_reduction(matrix, PLAIN).rename_axis(index="corpus", columns="dataset").stack().dropna()
    relations = [relation(members[corpus], dataset) for corpus, dataset in cells.index]
    return {name: [percent(group.mean()), str(len(group))] for name, group in cells.groupby(relations)}
