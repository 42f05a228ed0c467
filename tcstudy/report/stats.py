"""Numbers computed from records; no plotting here."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tcstudy.experiments.base import RunKey
from tcstudy.study.record import Record


def outcomes(records: Mapping[RunKey, Record]) -> pd.DataFrame:
    """One row a run: dataset, variant, seed, error (a share, missing if it diverged), documents, run, seconds."""
    return pd.DataFrame(
        [
            {
                **key._asdict(),
                "error": record.error_rate,
                "documents": record.test.documents if record.test else 0,
                "run": record.id,
                "seconds": record.cost.training_seconds + record.cost.evaluation_seconds,
            }
            for key, record in records.items()
        ]
    )


def spread_over_seeds(runs: pd.DataFrame) -> pd.DataFrame:
    """Mean, lowest and highest error over the seeds of each dataset and variant, in the order of `runs`.

    Args:
        runs: as `outcomes` gives them.

    Returns:
        Columns dataset, variant, mean, low, high, seeds, diverged (how many of the seeds), documents, seconds (mean).
    """
    by_cell = runs.groupby(["dataset", "variant"], sort=False)
    return by_cell.agg(
        mean=("error", "mean"),
        low=("error", "min"),
        high=("error", "max"),
        seeds=("seed", "size"),
        diverged=("error", lambda errors: int(errors.isna().sum())),
        documents=("documents", "max"),
        seconds=("seconds", "mean"),
    ).reset_index()


def printed_spread(printed: pd.Series, column: str) -> pd.DataFrame:
    """One column of printed errors in the form of `spread_over_seeds`, without a range."""
    errors = printed.xs(column, level="column")
    return pd.DataFrame({"variant": errors.index, "mean": errors.values, "low": errors.values, "high": errors.values})


def error_matrix(spread: pd.DataFrame) -> pd.DataFrame:
    """Mean errors with variants in rows and data sets in columns, in the order of `spread`; missing if not run."""
    means = spread.set_index(["variant", "dataset"])["mean"].unstack()
    return means.reindex(index=spread["variant"].unique(), columns=spread["dataset"].unique())


def printed_matrix(printed: pd.Series) -> pd.DataFrame:
    """Printed errors as `error_matrix` has them."""
    spread = printed.rename("mean").rename_axis(["variant", "dataset"]).reset_index()
    return error_matrix(spread)


def error_reduction(errors: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Relative error reduction of each variant against `reference`: the share of its errors that are gone.

    Args:
        errors: as `error_matrix` gives them.

    Returns:
        (e_reference - e) / e_reference, without the reference's own row; below zero where a variant has more errors.
    """
    return 1 - errors.drop(index=reference) / errors.loc[reference]


def by_depth(spread: pd.DataFrame) -> pd.DataFrame:
    """The rows of single layers, with their relative depth: layer 5 of 6 and layer 11 of 12 have depth 1.

    Returns:
        Columns depth, mean, low and high, lowest layer first.
    """
    names = spread["variant"].str.extract(r"^layer (\d+) of (\d+)$").astype(float)
    single = spread.assign(depth=(names[0] + 1) / names[1]).dropna(subset="depth")
    return single[["depth", "mean", "low", "high"]].sort_values("depth", ignore_index=True)


def error_by_length(records: Mapping[RunKey, Record], bins: int = 4) -> pd.DataFrame:
    """Error by length of the test document, in bins that hold about equally many documents of a data set.

    Returns:
        One row for each dataset, variant and bin: shortest and longest length in wordpieces, documents in the bin,
        and the error, averaged over the bin's documents and the seeds. Runs that diverged are left out.
    """
    rows = [
        pd.DataFrame(
            {
                "dataset": key.dataset,
                "variant": key.variant,
                "seed": key.seed,
                "length": record.test.lengths.unpack().astype(int),
                "wrong": record.test.wrong,
            }
        )
        for key, record in records.items()
        if record.test
    ]
    if not rows:
        return pd.DataFrame(columns=["dataset", "variant", "bin", "shortest", "longest", "documents", "error"])
    documents = pd.concat(rows, ignore_index=True)
    documents["bin"] = documents.groupby("dataset")["length"].transform(
        lambda lengths: pd.qcut(lengths, bins, labels=False, duplicates="drop")
    )
    by_bin = documents.groupby(["dataset", "variant", "bin"], sort=False)
    result = by_bin.agg(
        shortest=("length", "min"), longest=("length", "max"), documents=("wrong", "size"), error=("wrong", "mean")
    ).reset_index()
    seeds = documents.groupby(["dataset", "variant"])["seed"].nunique()
    cells = pd.MultiIndex.from_frame(result[["dataset", "variant"]])
    result["documents"] //= seeds.reindex(cells).to_numpy()
    return result.sort_values(["dataset", "variant", "bin"], kind="stable", ignore_index=True)


def length_summary(lengths: np.ndarray, limit: int) -> dict[str, float]:
    """Mean and longest length, and the share of texts longer than `limit`, of lengths in wordpieces, shape (texts,)."""
    return {"mean": float(np.mean(lengths)), "longest": int(np.max(lengths)), "long": float(np.mean(lengths > limit))}
