"""What fine-tuning forgets: learning curves, the MLM loss before and after, failed runs."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tcstudy.catalog.datasets import dataset_title
from tcstudy.experiments.base import RunKey
from tcstudy.experiments.base_rate import rate_name
from tcstudy.report.cells import error_cell, note
from tcstudy.report.frame import every_column, of_variants
from tcstudy.report.intervals import mean, rate, spread_of_runs
from tcstudy.report.stats import by_cell, errors
from tcstudy.report.tables import Notice, Table, escape_markdown, minus, nats
from tcstudy.study.record import Record


def learning_curves(records: Mapping[RunKey, Record]) -> pd.DataFrame:
    """Error on the selection split by update, over seeds.

    Returns:
        Columns dataset, variant, rate, rate_name, corrected (with bias correction), step, mean, low, high (as
        `intervals.spread_of_runs` has them), runs and documents; a run that diverged counts up to that point.
    """
    points = pd.DataFrame(
        [
            (key.dataset, key.variant, point.step, point.error, record.data.used_validation)
            for key, record in records.items()
            for point in record.curve.points or record.curve.epochs
        ],
        columns=["dataset", "variant", "step", "error", "documents"],
    )
    rows = []
    for (dataset, variant, step), of in points.groupby(["dataset", "variant", "step"], sort=False):
        documents = of["documents"].max()
        found = rate(spread_of_runs(of["error"].to_numpy(), documents), len(of), documents)
        rows.append((dataset, variant, step, found.mean, found.low, found.high, found.runs, found.documents))
    columns = ["dataset", "variant", "step", "mean", "low", "high", "runs", "documents"]
    curves = pd.DataFrame(rows, columns=columns).sort_values("step", kind="stable", ignore_index=True)
    return _with_rates(curves, records)


def _with_rates(cells: pd.DataFrame, records: Mapping[RunKey, Record]) -> pd.DataFrame:
    """Rows of data sets and variants with their learning rate, its name and whether bias is corrected, as columns."""
    runs = every_column(records)
    rates, optimizers = (of_variants(runs, name) for name in ("training.learning_rate", "protocol.optimizer"))
    names = [*zip(cells["dataset"], cells["variant"], strict=True)]
    return cells.assign(
        rate=[rates[name] for name in names],
        rate_name=[rate_name(rates[name]) for name in names],
        corrected=[optimizers[name] == "adamw" for name in names],
    )


def forgotten(records: Mapping[RunKey, Record], compared: Mapping[str, str]) -> pd.DataFrame:
    """Test error, failed runs and the loss of the MLM head on general text, by data set and variant.

    Args:
        records: of the page.
        compared: `Forgetting.compared`.

    Returns:
        As `stats.errors`, with the columns rate, rate_name, corrected, failed (how many seeds), before and after (mean
        loss in nats for each masked wordpiece), forgotten, forgotten_low and forgotten_high (their difference and its
        interval over seeds, missing with a single one); losses are missing where every seed diverged.
    """
    found = errors(records, compared)
    rows = []
    for runs in by_cell(records).values():
        losses = [(run.forgetting.before, run.forgetting.after) for run in runs.values() if run.forgetting]
        before, after = np.array(losses or [(np.nan, np.nan)]).T  # (runs,) each
        change = mean((after - before)[:, None])
        rows.append(
            {
                "failed": sum(failed(record) for record in runs.values()),
                "before": before.mean(),
                "after": after.mean(),
                "forgotten": change.mean,
                "forgotten_low": change.low,
                "forgotten_high": change.high,
            }
        )
    return _with_rates(pd.concat([found, pd.DataFrame(rows)], axis=1), records)


def failed(record: Record) -> bool:
    """Whether a run diverged, or its training loss over the last epoch is no lower than that of guessing.

    Guessing by the class frequencies, taken from the test documents, has their entropy as its loss.
    """
    if record.test is None:
        return True
    shares = np.bincount(record.test.labels.unpack()) / record.test.documents
    entropy = -sum(share * np.log(share) for share in shares if share)
    *_, before, _ = (0, *(epoch.step for epoch in record.curve.epochs))
    last = [loss for step, loss in zip(record.curve.steps, record.curve.losses, strict=True) if step > before]
    return bool(np.mean(last) >= entropy)


def forgetting_table(cells: pd.DataFrame, name: str) -> Table:
    """One row for each data set and variant.

    Args:
        cells: as `forgotten` gives them.
        name: target of cross-references.
    """
    rows = [
        [
            row["variant"],
            dataset_title(row["dataset"]),
            error_cell(row),
            f"{row['failed']} of {row['runs']}",
            nats(row["before"]),
            nats(row["after"]),
            _range(row),
        ]
        for _, row in cells.iterrows()
    ]
    head = ("rate", "data set", "test error", "seeds that failed", "MLM loss before", "MLM loss after", "forgotten")
    caption = "Test error, failed seeds, and the MLM loss on general text in nats for each masked wordpiece"
    said = f"{note(cells)} The last column has the 95% interval over seeds in brackets, if there are several seeds."
    return Table(head, rows, caption, name, said)


def forgetting_found(cells: pd.DataFrame) -> Notice:
    """How much is forgotten at the lowest and highest rate, and where runs failed, with and without bias correction.

    Args:
        cells: as `forgotten` gives them.
    """
    sentences = []
    for dataset, all_rows in cells.groupby("dataset", sort=False):
        title = escape_markdown(dataset_title(dataset))
        corrected = all_rows[all_rows["corrected"]].sort_values("rate")
        measured = corrected.dropna(subset="forgotten")
        if len(measured):
            low, high = measured.iloc[0], measured.iloc[-1]
            sentences.append(
                f"{title}: fine-tuning changes the MLM loss on general text by {_range(low)} nats at "
                f"{low['variant']}, and by {_range(high)} at {high['variant']}."
            )
        lost = all_rows[all_rows["failed"] > 0]
        named = ", ".join(f"{row['variant']} ({row['failed']} of {row['runs']})" for _, row in lost.iterrows())
        sentences.append(f"{title}: no seed failed." if lost.empty else f"{title}: seeds failed at {named}.")
        compared = all_rows[~all_rows["corrected"]].merge(corrected, on="rate", suffixes=("", "_with"))
        worse = compared[compared["failed"] > compared["failed_with"]]
        if len(compared):
            where = ", ".join(worse["rate_name"]) or "none of the learning rates that were tried both ways"
            sentences.append(f"{title}: more seeds failed without bias correction than with it at {where}.")
    return Notice("tip", "What these runs show", "\n\n".join(sentences))


def line_title(dataset: str, corrected: bool) -> str:
    """The name of the runs on one data set, with or without bias correction."""
    return f"{dataset_title(dataset)}, {'with' if corrected else 'without'} bias correction"


def panel_title(lines: pd.DataFrame) -> str:
    """The title of one data set's learning curves, with the number of seeds and documents.

    Args:
        lines: rows of `learning_curves` of one data set, with or without bias correction.
    """
    first = lines.iloc[0]
    title = line_title(first["dataset"], first["corrected"])
    seeds = lines["runs"].max()
    return f"{title}: {seeds} seed{'' if seeds == 1 else 's'}, {lines['documents'].max():,} validation documents"


def forgotten_lines(cells: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Forgetting as lines over learning rates: rate, mean, low and high, by data set, with and without bias correction.

    Args:
        cells: as `forgotten` gives them.
    """
    columns = {"forgotten": "mean", "forgotten_low": "low", "forgotten_high": "high"}
    measured = cells.drop(columns=list(columns.values())).rename(columns=columns).sort_values("rate")
    return {
        line_title(dataset, corrected): line[["rate", "mean", "low", "high"]]
        for (dataset, corrected), line in measured.groupby(["dataset", "corrected"], sort=False)
    }


def _range(row: pd.Series) -> str:
    if pd.isna(row["forgotten"]):
        return "–"
    centre, *ends = (
        minus(f"{round(row[name], 2) + 0:+.2f}") for name in ("forgotten", "forgotten_low", "forgotten_high")
    )
    return centre if pd.isna(row["forgotten_low"]) else f"{centre} ({' to '.join(ends)})"
