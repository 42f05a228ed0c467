"""Test error by the number of labelled documents, with and without further pre-training."""

from collections.abc import Mapping, Sequence

import pandas as pd

from tcstudy.catalog.datasets import dataset_title
from tcstudy.experiments.base import RunKey
from tcstudy.experiments.few_shot import PLAIN, PRETRAINED, subset_name
from tcstudy.report.cells import error_cell, note, share_cell
from tcstudy.report.frame import NONE, every_column, of_variants
from tcstudy.report.reductions import reductions
from tcstudy.report.stats import errors
from tcstudy.report.tables import Notice, Table, escape_markdown, percent
from tcstudy.study.record import Record


def error_by_documents(records: Mapping[RunKey, Record], compared: Mapping[str, str]) -> pd.DataFrame:
    """Test error over draws and seeds, by data set, encoder and number of labelled documents.

    Args:
        records: of the page.
        compared: `FewShot.compared`.

    Returns:
        As `stats.errors`, with further pre-training compared with none, and with the columns method, labelled (the
        number of training documents) and subset (their share of the largest number on the same data set).
    """
    found = errors(records, compared)
    relations = of_variants(every_column(records), "pretraining.relation")
    used = {(key.dataset, key.variant): record.data.used_train for key, record in records.items()}
    cells = [*zip(found["dataset"], found["variant"], strict=True)]
    most = {dataset: max(used[cell] for cell in cells if cell[0] == dataset) for dataset in found["dataset"]}
    return found.assign(
        method=[PLAIN if relations[cell] == NONE else PRETRAINED for cell in cells],
        labelled=[used[cell] for cell in cells],
        subset=[subset_name(float(f"{used[cell] / most[cell[0]]:.2g}")) for cell in cells],
    )


def reductions_by_documents(records: Mapping[RunKey, Record], compared: Mapping[str, str]) -> pd.DataFrame:
    """Relative error reduction by further pre-training, by data set and subset, fewest labelled documents first.

    Args:
        records, compared: as `error_by_documents` takes them.

    Returns:
        Columns dataset, subset, labelled, plain, pretrained (mean errors), reduction, low, high (relative: 0.25 is a
        quarter less), and shown: whether the difference of the errors is significant.
    """
    by_documents = error_by_documents(records, compared)
    means = by_documents.pivot(index=["dataset", "subset", "labelled"], columns="method", values="mean")
    means = means.rename(columns={PLAIN: "plain", PRETRAINED: "pretrained"}).reset_index().rename_axis(columns=None)
    relative = reductions(records, compared).rename(columns={"mean": "reduction"})
    tested = by_documents[by_documents["method"] == PRETRAINED].rename(columns={"differs": "shown"})
    relative = relative[["dataset", "variant", "reduction", "low", "high"]].merge(
        tested[["dataset", "variant", "subset", "shown"]], on=["dataset", "variant"]
    )
    found = means.merge(relative.drop(columns="variant"), on=["dataset", "subset"])
    return found.sort_values(["dataset", "labelled"], ignore_index=True)


def documents_table(
    records: Mapping[RunKey, Record], compared: Mapping[str, str], printed: pd.Series, name: str
) -> Table:
    """One row for each data set and subset, with the paper's numbers for the same share of the same set.

    Args:
        records, compared: as `error_by_documents` takes them.
        printed: `published.printed_errors("figure-4")`.
        name: target of cross-references.
    """
    by_documents = error_by_documents(records, compared)
    cells = {(row["dataset"], row["method"], row["subset"]): error_cell(row) for _, row in by_documents.iterrows()}
    rows = [
        [
            row["subset"].split(" of ")[0],
            dataset_title(row["dataset"]),
            f"{row['labelled']:,}",
            *(cells[row["dataset"], method, row["subset"]] for method in (PLAIN, PRETRAINED)),
            share_cell(row["reduction"], row["low"], row["high"]),
            *(
                percent(printed.get((method, f"{row['dataset']}, {row['subset']}"), float("nan")), 2)
                for method in (PLAIN, PRETRAINED)
            ),
        ]
        for _, row in reductions_by_documents(records, compared).iterrows()
    ]
    head = (
        "of the training data",
        "data set",
        "labelled",
        f"{PLAIN}, here",
        f"{PRETRAINED}, here",
        "relative error reduction",
        f"{PLAIN}, paper",
        f"{PRETRAINED}, paper",
    )
    caption = "Test error by labelled documents, with and without further pre-training"
    return Table(head, rows, caption, name, note(by_documents))


def few_shot_found(records: Mapping[RunKey, Record], compared: Mapping[str, str]) -> Notice:
    """The effect of further pre-training with the fewest and with the most labelled documents.

    Args:
        records, compared: as `error_by_documents` takes them.
    """
    paragraphs = []
    for dataset, cells in reductions_by_documents(records, compared).groupby("dataset", sort=False):
        title = escape_markdown(dataset_title(dataset))
        known = cells.dropna(subset="reduction")
        if known.empty:
            paragraphs.append(f"{title}: on no subset did runs with both encoders converge.")
            continue
        fewest, most = known.iloc[0], known.iloc[-1]
        largest = known.loc[known["reduction"].idxmax()]
        reduction = share_cell(largest["reduction"], largest["low"], largest["high"])
        paragraphs.append(
            f"{title}: further pre-training changes the mean error from {percent(fewest['plain'])} to "
            f"{percent(fewest['pretrained'])} with {fewest['labelled']:,} labelled documents, and from "
            f"{percent(most['plain'])} to {percent(most['pretrained'])} with {most['labelled']:,}. "
            + (
                f"The relative error reduction is largest with {largest['labelled']:,}: {reduction}. "
                if largest["reduction"] > 0
                else "It lowers the error on no subset. "
            )
            + _shown([f"{labelled:,}" for labelled in known.loc[known["shown"], "labelled"]])
        )
    return Notice("tip", "What these runs show", "\n\n".join(paragraphs))


def _shown(labelled: Sequence[str]) -> str:
    *first, last = labelled or [""]
    if not last:
        return "No difference is significant."
    return f"The difference is significant with {', '.join(first)}{' and ' if first else ''}{last}."
