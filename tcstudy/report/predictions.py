"""Compare any models' predictions of the same documents, with the study's estimator and nothing else of the study."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tcstudy.catalog.rows import read_rows
from tcstudy.errors import StudyError, shown
from tcstudy.report.intervals import LEVEL, differs, error, holm, mean, paired_matrices, wrong_matrix
from tcstudy.study.record import Record

if TYPE_CHECKING:
    from rich.table import Table

COLUMNS = ("document", "label", "predicted", "seed")
"""The columns of a table of predictions, which has one row for each document and seed."""


@dataclass(frozen=True)
class Predicted:
    """What one model predicted, several times.

    Attributes:
        labels: the true class of each document.
        wrong: whether each run got each document wrong, with a row for each seed and a column for each document.
        records: the runs, if records were given.
    """

    labels: dict[Any, str]
    wrong: pd.DataFrame
    records: tuple[Record, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """A comparison of models.

    Attributes:
        errors: one row per model: model, runs, documents, error, low, high (shares, 95% interval).
        differences: one row per pair: model, reference, change (error minus the reference's), low, high, p (of no
            difference), p_holm (corrected for all pairs), differs (whether the difference is significant: at least
            three runs, and an interval that excludes zero).
    """

    errors: pd.DataFrame
    differences: pd.DataFrame

    def _repr_html_(self) -> str:
        return self.errors.to_html(index=False) + self.differences.to_html(index=False)


def compare(models: Mapping[str, "str | Path | pd.DataFrame | Sequence[Record]"]) -> Comparison:
    """Compare predictions of the same documents by several models, each trained with the same seeds.

    Runs and documents are both treated as samples: an interval covers other seeds and other documents. Differences are
    paired by document and by seed.

    Args:
        models: the predictions of each model, by its name: a file or a data frame with the columns of `COLUMNS`, a row
            for each document and seed; or the records of runs.

    Raises:
        StudyError: something is missing, or the models were not tested on the same documents with the same seeds.

    >>> one = pd.DataFrame({"document": [1, 2, 3, 4], "label": list("aabb"), "predicted": list("aaba"), "seed": 0})
    >>> found = compare({"one": one, "other": one.assign(predicted=list("abaa"))})
    >>> found.errors[["model", "error"]].values.tolist()
    [['one', 0.25], ['other', 0.75]]
    >>> found.differences[["model", "reference", "change"]].values.tolist()
    [['other', 'one', 0.5]]
    """
    if not isinstance(models, Mapping):
        raise StudyError('Models are compared by name: compare({"mine": ..., "theirs": ...}).')
    if len(models) < 2:
        raise StudyError("A comparison needs at least two models.")
    found = {name: _predicted(name, given) for name, given in models.items()}
    first_name, first = next(iter(found.items()))
    for name, other in found.items():
        _check_same(first_name, first, name, other)
    rows = []
    for name, model in found.items():
        own = error(wrong_matrix(model.records) if model.records else model.wrong.to_numpy())
        rows.append((name, own.runs, own.documents, own.mean, own.low, own.high))
    pairs = []
    for reference, name in combinations(found, 2):
        own, other = _paired(found[name], found[reference])
        change = mean(own.astype(float) - other)
        pairs.append((name, reference, change.mean, change.low, change.high, change.p, differs(change)))
    differences = pd.DataFrame(pairs, columns=["model", "reference", "change", "low", "high", "p", "differs"])
    return Comparison(
        pd.DataFrame(rows, columns=["model", "runs", "documents", "error", "low", "high"]),
        differences.assign(p_holm=holm(differences["p"])),
    )


def _paired(model: Predicted, reference: Predicted) -> tuple[np.ndarray, np.ndarray]:
    """Which documents each model got wrong, with the same rows and columns, shape (runs, documents).

    Rows of records are those of the study's own comparisons: runs with the same draw or pre-training share a row.
    """
    if model.records and reference.records:
        return paired_matrices(model.records, reference.records)
    wrong = reference.wrong
    return model.wrong.reindex(index=wrong.index, columns=wrong.columns).to_numpy(), wrong.to_numpy(dtype=float)


def _predicted(name: str, given: "str | Path | pd.DataFrame | Sequence[Record]") -> Predicted:
    if isinstance(given, str | Path):
        return _of_rows(str(given), read_rows(Path(given), COLUMNS))
    if isinstance(given, pd.DataFrame):
        if lost := [column for column in COLUMNS if column not in given]:
            raise StudyError(f"{name}: it has no column {shown(lost[0])}; it has {shown(list(given))}.")
        return _of_rows(name, given[list(COLUMNS)].itertuples(index=False, name=None))
    if isinstance(given, Record):
        raise StudyError(f"{name}: a model is compared by the list of its runs, one for each seed: [run, ...].")
    return _of_records(name, given)


def _name(value: Any) -> str:
    """A value of a table as text; a whole number that a missing value beside it made one with a point is whole.

    >>> _name(3.0), _name(" 3.0 "), _name(3), _name(None)
    ('3', '3', '3', '')
    """
    return "" if value is None else re.sub(r"^(-?\d+)\.0+$", r"\1", str(value).strip())


def _of_rows(name: str, rows: Iterable[tuple[Any, ...]]) -> Predicted:
    labels: dict[str, str] = {}
    classes: set[str] = set()
    wrong: dict[str, dict[str, bool]] = {}
    for number, row in enumerate(rows, start=1):
        document, label, predicted, seed = map(_name, row)
        for column, value in zip(COLUMNS, (document, label, predicted, seed), strict=True):
            if not value:
                raise StudyError(f"{name}, row {number:,}: `{column}` is empty.")
        if labels.setdefault(document, label) != label:
            raise StudyError(
                f"{name}, row {number:,}: the document {shown(document)} has the label {shown(label)} here, but "
                f"{shown(labels[document])} in an earlier row."
            )
        of_seed = wrong.setdefault(seed, {})
        if document in of_seed:
            raise StudyError(
                f"{name}, row {number:,}: an earlier row already predicts the document {shown(document)} with seed "
                f"{shown(seed)}."
            )
        of_seed[document] = predicted != label
        classes.add(predicted)
    if not labels:
        raise StudyError(f"{name} holds no predictions.")
    if classes.isdisjoint(labels.values()):
        told = [", ".join(map(shown, sorted(of)[:4])) for of in (classes, set(labels.values()))]
        raise StudyError(f"{name}: nothing that it predicts ({told[0]}) is a label of a document ({told[1]}).")
    for seed, of_seed in wrong.items():
        if len(of_seed) < len(labels):
            lost = next(document for document in labels if document not in of_seed)
            raise StudyError(f"{name}: seed {shown(seed)} has no prediction for the document {shown(lost)}.")
    return Predicted(labels, pd.DataFrame.from_dict(wrong, orient="index")[list(labels)])


def _of_records(name: str, records: Sequence[Record]) -> Predicted:
    tested: dict[str, Record] = {}
    for run in records:
        place = f"seed {run.spec.seed}, draw {run.spec.data.draw}"
        if run.test and tested.setdefault(place, run).id != run.id:
            raise StudyError(f"{name}: two runs have {place}, so they belong to more than one model.")
    if not tested:
        raise StudyError(f"{name}: no run converged.")
    digests = {run.data.test.digest for run in tested.values()}
    labels = {tuple(run.test.labels.unpack().tolist()) for run in tested.values()}
    if len(digests) > 1 or len(labels) > 1:
        raise StudyError(f"{name}: its runs were tested on different documents.")
    [digest], [classes] = digests, labels
    documents = [(digest, place) for place in range(len(classes))]
    wrong = pd.DataFrame([run.test.wrong for run in tested.values()], index=list(tested))
    wrong.columns = pd.Index(documents, tupleize_cols=False)
    return Predicted(dict(zip(documents, map(str, classes), strict=True)), wrong, tuple(tested.values()))


def _check_same(first_name: str, first: Predicted, name: str, other: Predicted) -> None:
    if lost := [document for document in first.labels if document not in other.labels]:
        more = f" and {len(lost) - 1:,} more" if len(lost) > 1 else ""
        raise StudyError(f"{name} has no predictions for the document {shown(lost[0])}{more}, which {first_name} has.")
    if len(other.labels) > len(first.labels):
        raise StudyError(
            f"{name} has {len(other.labels):,} documents, but {first_name} has only {len(first.labels):,} of them."
        )
    if odd := [document for document, label in first.labels.items() if other.labels[document] != label]:
        raise StudyError(
            f"The document {shown(odd[0])} has the label {shown(first.labels[odd[0]])} in {first_name}, but "
            f"{shown(other.labels[odd[0]])} in {name}."
        )
    if {*first.wrong.index} != {*other.wrong.index}:
        seeds = [", ".join(map(str, of.wrong.index[:6])) for of in (first, other)]
        raise StudyError(
            f"{first_name} has the seeds {seeds[0]}, but {name} has {seeds[1]}: differences are paired by seed, so "
            "both need the same seeds."
        )


def compared_tables(comparison: Comparison) -> "list[Table]":
    """A comparison as tables for a terminal."""
    from rich.table import Table
    from rich.text import Text

    over = "runs and documents" if comparison.errors["runs"].min() > 1 else "documents alone, as there is a single run"
    title = f"Error, with intervals over {over}"
    errors = Table("model", "runs", "documents", "error", "95% interval", title=title)
    for row in comparison.errors.itertuples():
        interval = f"{row.low:.1%} to {row.high:.1%}"
        errors.add_row(Text(row.model), str(row.runs), f"{row.documents:,}", f"{row.error:.1%}", interval)
    title = f"Differences in points (p Holm-corrected for {len(comparison.differences)})"
    differences = Table("model", "against", "difference", f"{LEVEL:.0%} interval", "p", title=title)
    for row in comparison.differences.itertuples():
        points = [f"{100 * share:+.1f}" for share in (row.change, row.low, row.high)]
        p = "–" if np.isnan(row.p_holm) else "< 0.001" if row.p_holm < 0.001 else f"{row.p_holm:.3f}"
        differences.add_row(Text(row.model), Text(row.reference), points[0], f"{points[1]} to {points[2]}", p)
    return [errors, differences]
