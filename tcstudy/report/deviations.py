"""Where the paper, its released code and this study differ: as values, and the effect of each in points of error.

The page on the released code has one choice at a time, against the clean run with the same seed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from tcstudy.catalog.datasets import dataset_title
from tcstudy.experiments.base_rate import rate_name
from tcstudy.report.cells import change_cell, error_cell, note, with_runs
from tcstudy.report.forgetting import failed
from tcstudy.report.frame import OWN, PLAIN, Selection, chosen, levels
from tcstudy.report.intervals import mean, paired_matrices
from tcstudy.report.measured import PageRecords
from tcstudy.report.tables import Markup, Notice, Table, escape_markdown, points
from tcstudy.study.record import Record


class Pair(NamedTuple):
    """The runs of a variant and of its reference; `at` says where, if a page has several such pairs."""

    one: Selection
    other: Selection
    at: str = ""


Pairs = Callable[[pd.DataFrame], Sequence[Pair]]
"""The pairs to compare, from a table of a page's runs."""


@dataclass(frozen=True)
class Measured:
    """How a difference is measured: the page, and its variants with their references.

    `by` names the quantity: the change of the error, or the spread over seeds of the first variant of each pair.
    """

    page: str
    pairs: Pairs
    by: Literal["change", "scatter"] = "change"


@dataclass(frozen=True)
class Deviation:
    """One difference: what the paper, its released code and this study do, and how it is measured, if it is."""

    topic: str
    paper: str
    release: str
    here: str
    measured: Measured | None = None


CLEAN: Mapping[str, Any] = {**PLAIN, "protocol.optimizer": "adamw", "protocol.selection": "validation"}
CLEAN_PRETRAINED: Mapping[str, Any] = {
    **CLEAN,
    "pretraining.relation": OWN,
    "pretraining.protocol.masking": "dynamic",
    "pretraining.protocol.text": "train",
}
RELEASED = {"protocol.optimizer": "bertadam", "protocol.selection": "test"}
RELEASED_PRETRAINED = {"pretraining.protocol.masking": "static", "pretraining.protocol.text": "train and test"}


def _released(clean: Selection, switched: Selection) -> Measured:
    """A choice of the released code on its page: what it switches in the clean run."""
    return Measured("released_protocol", lambda runs: [Pair({**clean, **switched}, clean)])


def _without_correction(runs: pd.DataFrame) -> list[Pair]:
    made, left_out = ({"protocol.optimizer": name} for name in ("adamw", "adamw without bias correction"))
    return [
        Pair({**left_out, "training.learning_rate": rate}, {**made, "training.learning_rate": rate}, rate_name(rate))
        for rate in levels(chosen(runs, left_out), "training.learning_rate")
    ]


def _pooler(runs: pd.DataFrame) -> list[Pair]:
    return [Pair({"features.pooler": True}, {"features.depth": 1.0})]


DEVIATIONS = (
    Deviation(
        "best epoch",
        "chosen on a validation set",
        "chosen on the test file, among 3, 4 or 6 epochs",
        "chosen on a validation split taken from the training documents",
        _released(CLEAN, {"protocol.selection": "test"}),
    ),
    Deviation(
        "optimiser",
        "Adam with slanted triangular learning rates",
        "BERTAdam: no bias correction, gradients clipped per tensor, a learning rate that jumps after the warm-up",
        "AdamW with bias correction, gradients clipped by their global norm",
        _released(CLEAN, {"protocol.optimizer": "bertadam"}),
    ),
    Deviation(
        "bias correction alone",
        "not mentioned",
        "omitted at every learning rate",
        "applied; omitted on one page, at several learning rates",
        Measured("forgetting", _without_correction),
    ),
    Deviation(
        "masks of further pre-training",
        "not mentioned",
        "static: the masks of five passes, repeated",
        "dynamic: new masks in every pass",
        _released(CLEAN_PRETRAINED, {"pretraining.protocol.masking": "static"}),
    ),
    Deviation(
        "text of further pre-training",
        "the training data; for the two Yelp data sets, without texts of the other's test set",
        "the script for AG's News writes the test documents into the corpus",
        "training texts that occur in no test split of any data set of the page",
        _released(CLEAN_PRETRAINED, {"pretraining.protocol.text": "train and test"}),
    ),
    Deviation(
        "all of these, fine-tuning",
        "–",
        "as released",
        "clean",
        _released(CLEAN, RELEASED),
    ),
    Deviation(
        "all of these, with further pre-training",
        "–",
        "as released",
        "clean",
        _released(CLEAN_PRETRAINED, {**RELEASED, **RELEASED_PRETRAINED}),
    ),
    Deviation(
        "what the classifier reads",
        "the last hidden state of [CLS]",
        "BERT's pooler over it, unless layers are specified",
        "the last hidden state; the pooler as a variant",
        Measured("layers", _pooler),
    ),
    Deviation(
        "seeds",
        "one, not stated",
        "one, 42",
        "several, with intervals; the number here is the standard deviation over seeds",
        Measured("released_protocol", lambda runs: [Pair(CLEAN, CLEAN)], by="scatter"),
    ),
    Deviation(
        "layer-wise learning rate",
        "decays from each layer to the one below",
        "embeddings, pooler and classifier stay at the base learning rate; in a variant of the script the top layer is "
        "in no parameter group of the optimiser, so it is not trained",
        "embeddings at the base learning rate, or decayed as one layer below the lowest; every parameter in exactly "
        "one group",
    ),
    Deviation(
        "head+tail",
        "the first 128 and the last 382 wordpieces",
        "counted in wordpieces in one place, in whitespace-separated words in another, where the text is cut again",
        "counted in wordpieces; in shorter windows the head keeps the same share",
    ),
    Deviation(
        "few examples",
        "subsets of the training data",
        "the first examples of the file",
        "several stratified random draws",
    ),
    Deviation(
        "multi-task batches",
        "not described",
        "a fresh shuffled iterator at every step, tasks in proportion to their size; four tasks in the code",
        "each task runs through all its documents before they are reshuffled, tasks in proportion to their size; any "
        "tasks",
    ),
    Deviation(
        "no released code",
        "hierarchical methods, biLSTM on features, larger encoder, cross-domain pre-training",
        "missing",
        "implemented from the paper's text; self-attention has a single hop, as the paper gives no number of hops",
    ),
    Deviation(
        "duplicate texts across splits",
        "not mentioned for fine-tuning",
        "–",
        "training texts that also occur in the test split are dropped",
    ),
    Deviation(
        "pairs of segments",
        "as in BERT, whose script pairs a single sentence with a random one",
        "–",
        "a single sentence trains MLM only",
    ),
    Deviation(
        "encoder and size",
        "BERT-base and BERT-large, complete data sets",
        "the same",
        "by profile: `paper` as in the paper; `mini` a smaller encoder, shorter windows, subsets of the data sets",
    ),
)

PAGES = tuple(dict.fromkeys(deviation.measured.page for deviation in DEVIATIONS if deviation.measured))


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


def differences(errors: pd.DataFrame) -> pd.DataFrame:
    """Error of each variant minus that of its baseline on the same documents with the same seeds.

    Args:
        errors: as `stats.errors` gives them, each variant compared with its baseline.

    Returns:
        The compared rows, with mean, low and high of the difference instead of the error.
    """
    changes = {"change": "mean", "change_low": "low", "change_high": "high"}
    return errors[errors["reference"].notna()].drop(columns=list(changes.values())).rename(columns=changes)


def differences_table(errors: pd.DataFrame, name: str) -> Table:
    """Test errors, and how each choice changes them.

    Args:
        errors: as in `differences`.
        name: target of cross-references.
    """
    rows = [
        [
            row["variant"],
            dataset_title(row["dataset"]),
            error_cell(row),
        ]
        for _, row in errors.iterrows()
    ]
    head = ("variant", "data set", "test error; difference from the clean run")
    caption = "Test error with one choice at a time made as in the released code"
    return Table(head, rows, caption, name, note(errors))


def released_found(errors: pd.DataFrame) -> Notice:
    """Which choices significantly lower or raise the reported error, and which do not.

    Args:
        errors: as in `differences`.
    """
    paragraphs = []
    for dataset, cells in differences(errors).dropna(subset="mean").groupby("dataset", sort=False):
        same = (cells["mean"] == 0) & (cells["low"] == cells["high"])
        shown = ~same & cells["differs"]
        groups = {
            "Significantly lower": cells[shown & (cells["mean"] < 0)],
            "Significantly higher": cells[shown & (cells["mean"] > 0)],
            "Identical on every document": cells[same],
            "No significant difference": cells[~same & ~shown],
        }
        told = [f"{verdict}: {_named(group)}." for verdict, group in groups.items() if len(group)]
        title = escape_markdown(dataset_title(dataset))
        paragraphs.append(f"{title}, in points against the clean run. {' '.join(told)}")
    if not paragraphs:
        paragraphs = ["No pair of runs converged."]
    elif (errors["runs"] == 1).all():
        paragraphs.append("These are runs of a single seed; another seed may give other errors.")
    return Notice("tip", "What these runs show", "\n\n".join(paragraphs))


def _named(group: pd.DataFrame) -> str:
    return "; ".join(f"{row['variant']} ({points(row['mean'])})" for _, row in group.iterrows())
