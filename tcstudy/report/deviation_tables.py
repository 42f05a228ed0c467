"""The effect of each difference between paper, released code and this study, in points of error."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tcstudy.catalog.datasets import dataset_title
from tcstudy.report.cells import change_cell, with_runs
from tcstudy.report.deviations import DEVIATIONS, Measured, Pair
from tcstudy.report.forgetting import failed
from tcstudy.report.frame import chosen
from tcstudy.report.intervals import mean, paired_matrices
from tcstudy.report.measured import PageRecords
from tcstudy.report.tables import Markup, Notice, Table
from tcstudy.study.record import Record


def deviations_table(pages: Mapping[str, PageRecords], name: str) -> Table:
    """One row for each difference.

    Args:
        pages: runs and records of the pages that measure some, by name.
        name: target of cross-references.
    """
    rows = [
        [one.topic, one.paper, one.release, one.here, worth(one.measured, pages) if one.measured else "not measured"]
        for one in DEVIATIONS
    ]
    head = ("difference", "the paper", "its released code", "this study", "effect here, in points of error")
    caption = "Differences between the paper, its released code and this study, and their effects"
    note = (
        "95% intervals over seeds and test documents in brackets. An effect below zero means fewer errors with the "
        "choice of the released code. Point at a number, or touch it, to see its runs."
    )
    return Table(head, rows, caption, name, note)


def worth(measured: Measured, pages: Mapping[str, PageRecords]) -> str:
    """How a difference changed the error, in points with an interval, for each pair and data set."""
    page = pages.get(measured.page)
    if page is None:
        return "this profile has no parameters for the page"
    pairs = measured.pairs(page.table)
    found = _compared(pairs, page)
    if not found:
        there = any(len(chosen(page.table, pair.one)) for pair in pairs)
        return "not recorded yet" if there else "this profile does not have the variants"
    told = []
    for cell in found:
        if measured.by == "scatter":
            text = _scatter(cell.records)
        elif _switched(cell):
            text = _change(cell)
        else:
            text = "not tested, as both started from the very same encoder"
        which = f"{cell.at}, " if len(pairs) > 1 else ""
        runs = _ids(cell.records, cell.reference)
        told.append(with_runs(f"{which}{dataset_title(cell.dataset)}: {text}", runs, measured.page))
    return Markup("; ".join(told), "; ".join(cell.myst for cell in told), "; ".join(cell.html for cell in told))


class _Compared(NamedTuple):
    """A variant's records on a data set and those of its reference."""

    dataset: str
    at: str
    records: Sequence[Record]
    reference: Sequence[Record]


def _compared(pairs: Sequence[Pair], page: PageRecords) -> list[_Compared]:
    table = page.table[page.table["record"].notna()]
    return [
        _Compared(dataset, pair.at, [*one["record"]], [*other["record"]])
        for dataset, rows in table.groupby("dataset", sort=False)
        for pair in pairs
        if len(one := chosen(rows, pair.one)) and len(other := chosen(rows, pair.other))
    ]


def _switched(cell: _Compared) -> bool:
    """Whether the runs differ in more than the description of the very same encoder.

    Masks repeat only in a pre-training of more than a few passes.
    """
    runs, reference = (
        {(record.spec.model_copy(update={"encoder": None}), record.provenance.encoder_digest) for record in records}
        for records in (cell.records, cell.reference)
    )
    return runs != reference


def _change(cell: _Compared) -> str:
    found = mean(np.subtract(*paired_matrices(cell.records, cell.reference), dtype=float))
    text = change_cell(found.mean, found.low, found.high)
    lost, other = (sum(map(failed, runs)) for runs in (cell.records, cell.reference))
    failures = (
        f"; {lost} of {len(cell.records)} runs failed, and {other} of {len(cell.reference)} runs of the reference"
    )
    return text + failures if lost or other else text


def _scatter(records: Iterable[Record]) -> str:
    errors = [record.error_rate for record in records if record.test]
    return f"{100 * np.std(errors, ddof=1):.1f}" if len(errors) > 1 else "a single seed"


def _ids(*groups: Iterable[Record]) -> list[str]:
    return list(dict.fromkeys(record.id for group in groups for record in group))


def deviations_found(pages: Mapping[str, PageRecords]) -> Notice:
    """How many of the differences are measured.

    Args:
        pages: as `deviations_table` takes them.
    """
    measured = [one.topic for one in DEVIATIONS if one.measured and _is_measured(one.measured, pages)]
    others = [one.topic for one in DEVIATIONS if one.topic not in measured]
    text = f"{len(measured)} of {len(DEVIATIONS)} differences are measured. Not measured: {', '.join(others)}."
    return Notice("note", "What is measured", text)


def _is_measured(measured: Measured, pages: Mapping[str, PageRecords]) -> bool:
    page = pages.get(measured.page)
    found = _compared(measured.pairs(page.table), page) if page else []
    return any(measured.by == "scatter" or _switched(cell) for cell in found)
