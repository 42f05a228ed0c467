"""Published systems, and average error reduction as the paper counts it."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tcstudy.catalog.datasets import PAPER_DATASETS, dataset_title
from tcstudy.experiments.base import RunKey
from tcstudy.experiments.comparison import FEATURES
from tcstudy.report.beside_paper import in_percent
from tcstudy.report.cells import share_cell
from tcstudy.report.frame import every_column, of_variants
from tcstudy.report.intervals import Spread
from tcstudy.report.published import published
from tcstudy.report.reductions import average, values_of
from tcstudy.report.stats import error_reduction, printed_matrix, spreads
from tcstudy.report.tables import Markup, Notice, Table, escape_markdown, percent
from tcstudy.study.record import Record

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
