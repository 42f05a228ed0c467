"""Our numbers and the paper's in one row, what was not run, and average error reduction as the paper counts it."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from tcstudy.catalog.datasets import PAPER_DATASETS, absence, dataset_title
from tcstudy.experiments.bag_of_words import FEATURES
from tcstudy.experiments.base import FineTuningExperiment, RunKey
from tcstudy.report.cells import error_cell, few, note, share_cell, together
from tcstudy.report.frame import every_column, of_variants
from tcstudy.report.intervals import Spread
from tcstudy.report.published import published
from tcstudy.report.stats import average, error_reduction, printed_matrix, reductions, spreads, values_of
from tcstudy.report.tables import Markup, Notice, Table, escape_markdown, percent
from tcstudy.study.record import Record

Cells = Mapping[tuple[str, str], str]
"""By variant and data set."""


def errors(ours: pd.DataFrame, printed: pd.Series, caption: str, name: str) -> Table:
    """The errors of each variant on each data set that was run, and the paper's in the same row.

    Args:
        ours: as `stats.errors` gives them.
        printed: as `published.printed_errors` gives it.
        caption: without the unit.
        name: target of cross-references.
    """
    cells = {(row["variant"], row["dataset"]): error_cell(row, unit="") for _, row in ours.iterrows()}
    papers = {cell: in_percent(error, digits=2) for cell, error in printed.items()}
    return _in_rows("variant", cells, papers, caption, name, note(ours))


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
    cells = {
        (f"{row['variant']} against {row['reference']}", row["dataset"]): share_cell(*row[["mean", "low", "high"]], "")
        for _, row in ours.iterrows()
    }
    papers = _reductions(printed_matrix(printed), pairs).rename_axis(index="row", columns="column").stack().dropna()
    said = (
        "In brackets 95% intervals over runs and test documents; where one holds no zero, the errors differ. The mean "
        f"of the paper's is over all its data sets. {together(ours['p'])}{few(ours['runs'])}"
    )
    return _in_rows("comparison", cells, papers.map(in_percent).to_dict(), caption, name, said)


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


def _in_rows(what: str, ours: Cells, papers: Cells, caption: str, name: str, note: str) -> Table:
    """A row for each of `ours`, and after those of a data set what the paper alone has on it."""
    datasets = sorted(dict.fromkeys(dataset for _, dataset in ours), key=lambda dataset: dataset == "mean")
    rows = [
        [dataset_title(dataset), dataset_title(variant), ours.get(cell, "–"), papers.get(cell, "–")]
        for dataset in datasets
        for cell in dict.fromkeys([*ours, *papers])
        for variant in cell[:1]
        if cell[1] == dataset
    ]
    return Table(("data set", what, "here", "paper"), rows, f"{caption}, in percent", name, note)


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
    rows = [
        (
            dataset_title(name),
            (name in asked_for and absence(name)) or "not on this page",
            "; ".join(
                f"{dataset_title(row)} {in_percent(error, 2)}"
                for (row, column), error in printed.items()
                if column == name
            ),
        )
        for name in missing
    ]
    caption = "Data sets of the paper's table that were not run"
    return Table(("data set", "reason", "the paper's errors, in percent"), rows, caption, f"not-run-{experiment.page}")


SOURCE = "table-6"
AVERAGE = "average_relative_error_reduction_percent"

_CITATIONS = {
    "Char-level CNN": "zhang2015character",
    "VDCNN": "conneau2016very",
    "DPCNN": "johnson2017deep",
    "D-LSTM": "yogatama2017generative",
    "Standard LSTM": "seo2017neural",
    "Skim-LSTM": "seo2017neural",
    "HAN": "yang2016hierarchical",
    "Region embedding": "qiao2018new",
    "CoVe": "mccann2017learned",
    "ULMFiT": "howard2018universal",
}


def trained_by_the_paper() -> pd.Series:
    """The errors of Table 6 that the paper measured: those of BERT's variants, as `published.printed_errors`."""
    return _errors(published(SOURCE).query("row.str.startswith('BERT')"))


def printed_averages() -> pd.Series:
    """The average relative error reductions that Table 6 prints, as shares, by `row`."""
    rows = published(SOURCE).query("column == @AVERAGE")
    return rows.set_index("row")["value"].astype(float) / 100


def _errors(rows: pd.DataFrame) -> pd.Series:
    return rows.query("column != @AVERAGE").set_index(["row", "column"])["value"].astype(float) / 100


def cited_systems() -> Table:
    """The rows of Table 6 that the paper cites, each with its source."""
    rows = published(SOURCE).query("not row.str.startswith('BERT')")
    errors = _errors(rows)
    matrix = printed_matrix(errors)[[name for name in PAPER_DATASETS if name in errors.index.levels[1]]]
    cells = [[_with_citation(system), *values.map(in_percent, digits=2)] for system, values in matrix.iterrows()]
    notes = [
        f"{note['row']}, {dataset_title(note['column'])}: {note['note']}"
        for _, note in rows.query("note != ''").iterrows()
    ]
    caption = "Errors of published systems as the paper cites them, in percent; none was trained here"
    head = ["cited system", *(dataset_title(name) for name in matrix.columns)]
    return Table(head, cells, "; ".join([caption, *notes]), "tab-cited")


def _with_citation(system: str) -> Markup:
    name = system.split(" (")[0]
    return Markup(system, f"{escape_markdown(name)} {{cite:p}}`{_CITATIONS[name]}`")


def average_reductions(records: Mapping[RunKey, Record]) -> Table:
    """Average relative error reduction against BERT-Feat, here, as printed, and from the paper's printed errors.

    Args:
        records: of the page.
    """
    readers = {
        variant: reader for (_, variant), reader in of_variants(every_column(records), "features.reader").items()
    }
    features = next((variant for variant, reader in readers.items() if reader == "bilstm"), "")
    variants = [variant for variant in readers if variant != features]
    cells = values_of(records, dict.fromkeys(variants, features))
    ours = spreads(cells)
    everywhere = set.intersection(*({name for name, of in ours if of == variant} for variant in variants))
    papers = error_reduction(printed_matrix(trained_by_the_paper()), FEATURES)
    printed = printed_averages()
    rows = [
        [
            variant,
            _average({cell: of for cell, of in ours.items() if cell[1] == variant}, cells),
            _average({cell: of for cell, of in ours.items() if cell[1] == variant and cell[0] in everywhere}, cells),
            percent(printed.get(variant), 2),
            *_averages(papers, variant),
        ]
        for variant in variants
    ]
    head = (
        "variant",
        "here, own sets",
        "here, common sets",
        "paper, printed",
        "from its errors, own sets",
        "from its errors, common sets",
    )
    caption = "Average relative error reduction against BERT-Feat"
    note = (
        "In brackets the 95% interval over runs and test documents, where there is one, and over how many data sets "
        "the average is. The data sets are those there are, not a sample."
    )
    return Table(head, rows, caption, "tab-average-reduction", note)


def _average(chosen: Mapping[tuple[str, str], Spread], cells: Mapping[tuple[str, str], np.ndarray]) -> str:
    """The average of reductions here, with its interval and the number of data sets."""
    found = average([*chosen.values()], [cells[cell].shape for cell in chosen])
    return f"{share_cell(found.mean, found.low, found.high)[:-1]}; {len(chosen)})" if chosen else "–"


def _averages(reductions: pd.DataFrame, variant: str) -> list[str]:
    """The average over the sets that `variant` has a number for, and over those that all variants have one for."""
    if variant not in reductions.index:
        return ["–", "–"]
    ways = (reductions.loc[variant].dropna(), reductions.dropna(axis="columns").loc[variant])
    return [f"{percent(sets.mean(), 2)} ({len(sets)})" if len(sets) else "–" for sets in ways]


def how_the_paper_averages() -> Notice:
    """Over which data sets the averages of Table 6 are taken, and what they are over those that all variants have."""
    matrix = printed_matrix(trained_by_the_paper())
    reductions = error_reduction(matrix, FEATURES)
    common = reductions.dropna(axis="columns")
    printed = printed_averages()
    furthest = (reductions.mean(axis=1)[printed.index] - printed).abs().max()
    complete = reductions.index[reductions.notna().all(axis=1)]
    missing = matrix.columns.difference(common.columns)
    means = common.mean(axis=1)
    text = (
        "Each printed average is over the data sets for which its row has a number: computed like this from the "
        f"printed errors, they differ from the printed averages by {100 * furthest:.2f} points at most. So those of "
        f"{' and '.join(complete)} are over {len(matrix.columns)} data sets and the others over {len(common.columns)}, "
        f"without {' and '.join(map(dataset_title, missing))}. "
        f"Over the {len(common.columns)} that all have, they would be "
        + ", ".join(f"{percent(mean, 2)} for {variant}" for variant, mean in means.items())
        + f"; {means.idxmax()} has the highest in {'both' if means.idxmax() == printed.idxmax() else 'the second'}."
    )
    return Notice("note", "How the paper averages", text)
