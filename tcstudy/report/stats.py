"""Statistics computed from records, without plotting: errors, differences, and relative error reduction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from tcstudy.catalog.datasets import dataset_title
from tcstudy.experiments.base import RunKey
from tcstudy.report.intervals import (
    Estimate,
    Spread,
    combined,
    differs,
    error,
    estimate,
    mean,
    paired_matrices,
    rate,
    spread,
    wrong_matrix,
)
from tcstudy.report.tables import Notice, escape_markdown, percent
from tcstudy.spec import WindowSize
from tcstudy.study.record import Record
from tcstudy.study.sets import lengths_of


def by_cell(records: Mapping[RunKey, Record]) -> dict[tuple[str, str], dict[RunKey, Record]]:
    """The records of each data set and variant, in the order of `records`."""
    cells: dict[tuple[str, str], dict[RunKey, Record]] = {}
    for key, record in records.items():
        cells.setdefault((key.dataset, key.variant), {})[key] = record
    return cells


def errors(records: Mapping[RunKey, Record], reference: str | Mapping[str, str] | None = None) -> pd.DataFrame:
    """The test error of each data set and variant with its interval, and its difference from a reference's.

    Args:
        records: by data set, variant, seed and draw.
        reference: the variant that all others on the same data set are compared with, or a reference for each variant.

    Returns:
        One row a cell, in the order of `records`. Columns dataset, variant; mean, low, high of the test error; runs,
        seeds, draws and diverged (how many of the runs); documents; seconds (mean); ids of the runs; reference (None
        where there is none); change, change_low, change_high (the error minus the reference's), p (of no change, not
        corrected for multiple comparisons) and differs: whether there were enough runs to decide and the interval of
        the change excludes zero.
    """
    cells = by_cell(records)
    wrong = {cell: wrong_matrix([*runs.values()]) for cell, runs in cells.items()}
    against = {(name, variant): (name, _reference(variant, reference)) for name, variant in cells}
    changes = {
        cell: np.subtract(*paired_matrices([*cells[cell].values()], [*cells[other].values()]), dtype=float)
        for cell, other in against.items()
        if other in cells
    }
    found, differences = estimates(wrong, rate), estimates(changes)
    rows = [
        {"dataset": dataset, "variant": variant}
        | _row(runs, found[dataset, variant])
        | _change(against[dataset, variant][1], differences.get((dataset, variant)))
        for (dataset, variant), runs in cells.items()
    ]
    return pd.DataFrame(rows)


def estimates(
    values: Mapping[tuple[str, str], np.ndarray], make: Callable[[Spread, int, int], Estimate] = estimate
) -> dict[tuple[str, str], Estimate]:
    """Means of matrices by data set and variant.

    Args:
        values: shape (runs, documents) each; the mean of a matrix without rows is NaN.
        make: `intervals.estimate`, or `intervals.rate` for values between 0 and 1.
    """
    unknown = dict.fromkeys(values, Estimate(np.nan, np.nan, np.nan, np.nan, 0, 0))
    return unknown | {cell: make(of, *values[cell].shape) for cell, of in spreads(values).items()}


def spreads(values: Mapping[tuple[str, str], np.ndarray]) -> dict[tuple[str, str], Spread]:
    """Spreads of matrices by data set and variant; those without rows are left out."""
    return {cell: spread(matrix) for cell, matrix in values.items() if matrix.size and not np.isnan(matrix).any()}


def _reference(variant: str, reference: str | Mapping[str, str] | None) -> str | None:
    if isinstance(reference, Mapping):
        return reference.get(variant)
    return None if variant == reference else reference


def _row(runs: Mapping[RunKey, Record], found: Estimate) -> dict[str, Any]:
    seconds = [record.cost.training_seconds + record.cost.evaluation_seconds for record in runs.values()]
    return {
        "mean": found.mean,
        "low": found.low,
        "high": found.high,
        "runs": len(runs),
        "seeds": len({key.seed for key in runs}),
        "draws": len({key.draw for key in runs}),
        "diverged": sum(record.test is None for record in runs.values()),
        "documents": max(record.test.documents if record.test else 0 for record in runs.values()),
        "seconds": float(np.mean(seconds)),
        "ids": tuple(record.id for record in runs.values()),
    }


def _change(reference: str | None, found: Estimate | None) -> dict[str, Any]:
    if found is None:
        return {
            "reference": None,
            **dict.fromkeys(("change", "change_low", "change_high", "p"), np.nan),
            "differs": False,
        }
    change = {"change": found.mean, "change_low": found.low, "change_high": found.high, "p": found.p}
    return {"reference": reference, **change, "differs": differs(found)}


def error_matrix(errors: pd.DataFrame) -> pd.DataFrame:
    """Mean errors with variants in rows and data sets in columns, in the order of `errors`; missing if not run."""
    means = errors.set_index(["variant", "dataset"])["mean"].unstack()
    return means.reindex(index=errors["variant"].unique(), columns=errors["dataset"].unique())


def printed_matrix(printed: pd.Series) -> pd.DataFrame:
    """Printed errors as `error_matrix` has them."""
    return error_matrix(printed.rename("mean").rename_axis(["variant", "dataset"]).reset_index())


def error_reduction(matrix: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Relative error reduction of each variant over `reference`.

    Args:
        matrix: as `error_matrix` gives it.

    Returns:
        (e_reference - e) / e_reference, without the reference's own row; negative where a variant makes more errors.
    """
    return 1 - matrix.drop(index=reference) / matrix.loc[reference]


def by_depth(errors: pd.DataFrame, depths: Mapping[tuple[str, str], float]) -> pd.DataFrame:
    """The rows of single layers, with their relative depth: layer 5 of 6 and layer 11 of 12 have depth 1.

    Args:
        errors: as `errors` gives them.
        depths: `features.depth` by data set and variant (`frame.of_variants`), NaN for other variants.

    Returns:
        Columns depth, mean, low and high, lowest layer first.
    """
    cells = zip(errors["dataset"], errors["variant"], strict=True)
    single = errors.assign(depth=[depths[cell] for cell in cells]).dropna(subset="depth")
    return single[["depth", "mean", "low", "high"]].sort_values("depth", ignore_index=True)


def error_by_length(records: Mapping[RunKey, Record], bins: int = 4) -> pd.DataFrame:
    """Error by length of the test document, in bins of about equally many documents of a data set.

    Returns:
        One row for each dataset, variant and bin: shortest and longest length in wordpieces, documents in the bin, and
        mean, low and high of the error on them. Runs that diverged are left out.
    """
    columns = ("dataset", "variant", "bin", "shortest", "longest", "documents", "mean", "low", "high")
    places: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    rows = []
    for (dataset, variant), runs in by_cell(records).items():
        tested = [record.test for record in runs.values() if record.test]
        if not tested:
            continue
        if dataset not in places:
            lengths = lengths_of(next(record for record in runs.values() if record.test))
            edges = pd.qcut(lengths, bins, labels=False, duplicates="drop")  # no number where all lengths are equal
            places[dataset] = (lengths, np.nan_to_num(edges))
        lengths, place = places[dataset]
        wrong = wrong_matrix([*runs.values()])
        for number in np.unique(place):
            inside = place == number
            found = error(wrong[:, inside])
            ends = (lengths[inside].min(), lengths[inside].max(), inside.sum())
            rows.append((dataset, variant, number, *map(int, ends), found.mean, found.low, found.high))
    frame = pd.DataFrame(rows, columns=columns)
    return frame.sort_values(["dataset", "variant", "bin"], kind="stable", ignore_index=True)


def cut_by_window(records: Mapping[RunKey, Record], length: int) -> Notice:
    """The share of each data set's test documents that a window of `length` wordpieces cuts."""
    told = []
    for dataset in dict.fromkeys(key.dataset for key in records):
        tested = [record for key, record in records.items() if key.dataset == dataset and record.test]
        if tested:
            share = share_cut(lengths_of(tested[0]), length)
            documents = tested[0].test.documents
            told.append(
                f"{percent(share)} of the {documents:,} test documents of {escape_markdown(dataset_title(dataset))}"
            )
    text = f"The window of {length} wordpieces cuts {'; '.join(told)}." if told else "No run converged."
    return Notice("note", "What the window cuts", text)


def share_cut(lengths: np.ndarray, window: int) -> float:
    """The share of texts that do not fit into a window.

    Args:
        lengths: in wordpieces, shape (texts,).
        window: in wordpieces, `[CLS]` and `[SEP]` included.
    """
    return float(np.mean(lengths > WindowSize(length=window).content))


def length_summary(lengths: np.ndarray, limit: int) -> dict[str, float]:
    """Mean and longest length, and the share of texts longer than `limit`, of lengths in wordpieces, shape (texts,)."""
    return {"mean": float(np.mean(lengths)), "longest": int(np.max(lengths)), "long": float(np.mean(lengths > limit))}


def reduction_values(wrong: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """A matrix, shape (runs, documents), whose mean is the relative error reduction.

    It is the difference of the two over the reference's error rate, which is taken as it was found: so its interval
    excludes zero just where that of the difference in points does.

    Args:
        wrong, reference: as `intervals.paired_matrices` gives them, shape (runs, documents) each.

    Returns:
        Without rows if there is no pair of runs or the reference has no errors.
    """
    base = reference.mean() if reference.size else 0.0
    if not base:
        return np.zeros((0, 0))
    return np.subtract(reference, wrong, dtype=float) / base


def average(spreads: Sequence[Spread], shapes: Sequence[tuple[int, int]]) -> Estimate:
    """The mean over data sets, each of which counts alike, of means over runs and documents.

    The data sets are not a sample; runs and documents of one are independent of those of another.

    Args:
        spreads: of the data sets; without any the mean is not a number.
        shapes: runs and documents of each.
    """
    if not spreads:
        return mean(np.zeros((0, 0)))
    together = combined([of.times(1 / len(spreads)) for of in spreads])
    return estimate(together, min(runs for runs, _ in shapes), sum(documents for _, documents in shapes))


def values_of(records: Mapping[RunKey, Record], pairs: Mapping[str, str]) -> dict[tuple[str, str], np.ndarray]:
    """`reduction_values` of variants against what they are compared with, by data set and variant.

    Args:
        records: by data set, variant, seed and draw.
        pairs: the reference of each variant.

    Returns:
        Without the data sets that lack runs of the variant or of its reference.
    """
    cells = by_cell(records)
    return {
        (dataset, variant): reduction_values(
            *paired_matrices([*runs.values()], [*cells[dataset, pairs[variant]].values()])
        )
        for (dataset, variant), runs in cells.items()
        if variant in pairs and (dataset, pairs[variant]) in cells
    }


def reductions(records: Mapping[RunKey, Record], pairs: Mapping[str, str]) -> pd.DataFrame:
    """Relative error reduction of variants against what they are compared with.

    Args:
        records, pairs: as `values_of` takes them.

    Returns:
        One row for each pair and data set, and one for each pair with the data set "mean", its average over data sets.
        Columns variant, reference, dataset, mean, low, high, p, runs and documents.
    """
    cells = values_of(records, pairs)
    found_in, known = estimates(cells), spreads(cells)
    rows = []
    for variant, reference in pairs.items():
        of = {name: found_in[name, variant] for name, each in cells if each == variant}
        counted = [(name, variant) for name in of if (name, variant) in known]
        whole = average([known[cell] for cell in counted], [cells[cell].shape for cell in counted])
        if len(of) == 1:
            whole = replace(whole, p=np.nan)  # said already, and counted once
        for dataset, found in (of | {"mean": whole}).items():
            rows.append({"variant": variant, "reference": reference, "dataset": dataset} | vars(found))
    return pd.DataFrame(rows)
