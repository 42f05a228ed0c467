"""Cells with errors, changes and their intervals, the runs behind them, and the note that explains a table's cells."""

import functools
import html
from collections.abc import Iterable, Mapping

import pandas as pd

from tcstudy.catalog.datasets import dataset_title
from tcstudy.errors import StudyError
from tcstudy.experiments.base import RunKey
from tcstudy.report.intervals import LEAST_RUNS, LEVEL, holm
from tcstudy.report.stats import by_cell
from tcstudy.report.tables import Fold, Markup, Table, escape_html, escape_markdown, from_to, minus, percent
from tcstudy.settings import Settings
from tcstudy.study.record import Record
from tcstudy.study.store import run_store

RUNS = "runs"  # the place on a page where its runs are listed


def error_cell(cell: pd.Series, unit: str = "%", page: str = "") -> str:
    """Mean error of a cell with its interval, and, where it was compared, the difference in points with its own.

    Or what happened instead. Its runs are shown when it is pointed at.

    Args:
        cell: a row of `stats.errors`.
        unit: after the mean.
        page: that lists its runs, if it is another one.
    """
    if cell["diverged"] == cell["runs"]:
        return with_runs("did not converge", cell["ids"], page)
    mean, low, high = (percent(cell[name]).removesuffix("%") for name in ("mean", "low", "high"))
    lost = f", {cell['diverged']} of {cell['runs']} did not converge" if cell["diverged"] else ""
    change = f"; {change_cell(*cell[['change', 'change_low', 'change_high']])}" if pd.notna(cell["change"]) else ""
    return with_runs(f"{mean}{unit} ({low}–{high}{lost}){change}", cell["ids"], page)


def percent_range(cell: pd.Series) -> str:
    """Mean error of a cell with its interval, for a sentence, or a dash.

    >>> percent_range(pd.Series({"mean": 0.1, "low": 0.08, "high": 0.125}))
    '10.0% (8.0–12.5)'
    """
    if pd.isna(cell["mean"]):
        return "–"
    mean, low, high = (percent(cell[name]).removesuffix("%") for name in ("mean", "low", "high"))
    return f"{mean}% ({low}–{high})"


def change_cell(mean: float, low: float, high: float, digits: int = 1) -> str:
    """A difference of shares with its interval, in percentage points, or a dash.

    >>> change_cell(-0.012, -0.02, 0.0)
    '−1.2 (−2.0 to +0.0)'
    """
    if pd.isna(mean):
        return "–"
    centre, *ends = (minus(f"{round(100 * share, digits) + 0:+.{digits}f}") for share in (mean, low, high))
    return f"{centre} ({' to '.join(ends)})"


def share_cell(mean: float, low: float, high: float, unit: str = "%") -> str:
    """A share with its interval, either of which may be below zero, or a dash.

    >>> share_cell(0.25, -0.1, 0.6)
    '25.0% (−10.0 to 60.0)'
    """
    if pd.isna(mean):
        return "–"
    centre, *ends = (percent(share).removesuffix("%") for share in (mean, low, high))
    return f"{centre}{unit} ({' to '.join(ends)})"


def with_runs(text: str, ids: Iterable[str], page: str = "") -> Markup:
    """A cell that tells its runs' errors when it is pointed at, focused or touched, and leads to the list of runs.

    Args:
        text: of the cell.
        ids: of the runs' records.
        page: that lists them, if it is another one.
    """
    told = html.escape("; ".join(_run_told(name, Settings.read()) for name in ids)).replace("|", "&#124;")
    link = f'<a class="cell-runs" href="{page and f"{page}.html"}#{RUNS}" data-runs="{told}">'
    return Markup(text, f"{link}{escape_markdown(text)}</a>", f'<span title="{told}">{escape_html(text)}</span>')


@functools.lru_cache(maxsize=10_000)  # a run stands in many cells
def _run_told(name: str, settings: Settings) -> str:
    """The data set, seed and error of the run of that record."""
    store = run_store()
    for folder in (store.folder, store.behind.folder if store.behind else store.folder):
        try:
            record = store.read(folder / f"{name}.json")
        except (StudyError, OSError):
            continue
        return (
            f"{dataset_title(record.spec.data.name)}, {_place(record.spec.seed, record.spec.data.draw)}: {_end(record)}"
        )
    return f"run {name}"


def _place(seed: int, draw: int) -> str:
    return f"seed {seed}" + (f", draw {draw}" if draw else "")


def _end(record: Record) -> str:
    return percent(record.error_rate) if record.test else "did not converge"


def counted(errors: pd.DataFrame) -> str:
    """Over what means are taken: "3 seeds", "3 draws of the training documents, 1 seed each", or one draw for each."""
    seeds, draws, runs = (from_to(errors[name]) for name in ("seeds", "draws", "runs"))
    each = f"{seeds} seed{'' if seeds == '1' else 's'}"
    if seeds == draws == runs != "1":
        return f"{each}, each with its own training documents"
    return each if draws == "1" else f"{draws} draws of the training documents, {each} each"


def tested(errors: pd.DataFrame) -> str:
    """How many documents of each data set were tested on."""
    sizes = errors[errors["documents"] > 0].groupby("dataset", sort=False)["documents"].max()
    return ", ".join(f"{dataset_title(dataset)} {size:,}" for dataset, size in sizes.items()) or "none"


def by_dataset(cells: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The rows of each data set by the title of its panel in a figure.

    Args:
        cells: as `stats.errors` gives them.
    """
    return {panel_title(rows): rows for _, rows in cells.groupby("dataset", sort=False)}


def panel_title(cells: pd.DataFrame) -> str:
    """Title of a figure's panel: the data set, over how many seeds and test documents its means are."""
    [dataset] = cells["dataset"].unique()
    return f"{dataset_title(dataset)}: {counted(cells)}, {cells['documents'].max():,} test documents"


def note(errors: pd.DataFrame, documents: str = "test documents") -> str:
    """What must be known to read the cells of a table.

    Args:
        errors: as `stats.errors` gives them.
        documents: what the documents are called.
    """
    of = f"{documents} ({tested(errors)})"
    if (errors["runs"] == 1).all():
        said = f"A single seed; in brackets the 95% interval over {of}. What another seed would give is not in it."
    else:
        said = f"Mean over {counted(errors)}, in brackets its 95% interval over runs and {of}."
    return " ".join([said, *_compared(errors), "Point at a cell, or touch it, to see its runs."])


def _compared(errors: pd.DataFrame) -> list[str]:
    """How the difference is to be read, if there were comparisons."""
    references = errors["reference"].dropna().unique()
    if not errors["p"].notna().any():
        return []
    against = references[0] if len(references) == 1 else "what it is compared with"
    return [
        f"After the semicolon the difference from {against} in points, on the same documents with the same seeds, with "
        f"its 95% interval: where that holds no zero, they differ. {together(errors['p'])}{few(errors['runs'])}"
    ]


def few(runs: pd.Series) -> str:
    """That runs are too few to show a difference, where some are."""
    return f" With fewer than {LEAST_RUNS} runs none is shown." if runs.min() < LEAST_RUNS else ""


def together(p_values: pd.Series) -> str:
    """What is left of the intervals without zero when all comparisons of a table are tested at once, in a sentence."""
    found = p_values.dropna()
    alone, corrected = (int((values < 1 - LEVEL).sum()) for values in (found, holm(found)))
    if len(found) < 2:
        return "It is a single comparison."
    return (
        f"Of the {len(found)} comparisons {alone} have such an interval; tested all at once, by Holm's correction, "
        f"{corrected} would remain."
    )


def runs_behind(records: Mapping[RunKey, Record], page: str) -> Fold:
    """The runs of every cell of a page, by the name of their records."""
    rows = [
        [dataset_title(dataset), dataset_title(variant), _named(runs)]
        for (dataset, variant), runs in by_cell(records).items()
    ]
    caption = "The runs behind each cell; the record of a run is the file of that name"
    table = Table(("data set", "variant", "runs"), rows, caption, f"runs-{page}")
    return Fold("The runs behind the tables and figures of this page", [table], RUNS)


def _named(runs: Mapping[RunKey, Record]) -> Markup:
    plain, myst = (
        "; ".join(
            f"{_place(key.seed, key.draw)}: {_end(record)} ({quote}{record.id}{quote})" for key, record in runs.items()
        )
        for quote in ("", "`")
    )
    return Markup(plain, myst)
