"""Test error by steps of further pre-training, and what the pre-training itself had learnt by then."""

from collections.abc import Mapping

import pandas as pd

from tcstudy.catalog.datasets import dataset_title
from tcstudy.experiments.base import RunKey
from tcstudy.experiments.within_task import stop_name
from tcstudy.report.cells import error_cell, note
from tcstudy.report.frame import every_column, of_variants
from tcstudy.report.published import printed_errors
from tcstudy.report.stats import errors
from tcstudy.report.tables import Table, percent
from tcstudy.spec import EncoderSpec
from tcstudy.study.encoders import EncoderRecord
from tcstudy.study.record import Record


def error_by_steps(records: Mapping[RunKey, Record]) -> pd.DataFrame:
    """Test error by steps of further pre-training, in the order of `records`.

    Returns:
        As `stats.errors`, compared with no further pre-training, with the column steps (0 for the reference).
    """
    steps = of_variants(every_column(records), "pretraining.steps")
    plain = {dataset: variant for (dataset, variant), count in steps.items() if not count}
    compared = {variant: plain[dataset] for (dataset, variant), count in steps.items() if count and dataset in plain}
    found = errors(records, compared)
    return found.assign(steps=[steps[cell] for cell in zip(found["dataset"], found["variant"], strict=True)])


def printed_by_steps() -> pd.Series:
    """The paper's test errors, as shares, by variant and data set: Figure 3's point, and Table 6's error at 0 steps."""
    plain = printed_errors("table-6").loc[["BERT-FiT"]].rename({"BERT-FiT": stop_name(0)}, level="row")
    return pd.concat([plain, printed_errors("figure-3")])


def heads_by_steps(
    encoders: Mapping[tuple[str, int], EncoderSpec], made: Mapping[EncoderSpec, EncoderRecord]
) -> pd.DataFrame:
    """How the heads of further pre-trained encoders do on text that was held out of their pre-training.

    Args:
        encoders: by data set and steps.
        made: records of encoders, these among them; an encoder without a record is left out.

    Returns:
        Columns dataset, steps, mlm_loss (in nats), mlm_accuracy, nsp_loss and nsp_accuracy; missing for heads that
        were not trained.
    """
    measured = ("mlm_loss", "mlm_accuracy", "nsp_loss", "nsp_accuracy")
    return pd.DataFrame(
        [
            {"dataset": dataset, "steps": steps, **{name: getattr(made[spec].measured, name) for name in measured}}
            for (dataset, steps), spec in encoders.items()
            if spec in made
        ],
        columns=["dataset", "steps", *measured],
    ).astype(dict.fromkeys(measured, float))


def accuracy_lines(heads: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Accuracies as lines over steps: steps and accuracy, by data set and head; a head that was not trained has none.

    Args:
        heads: as `heads_by_steps` gives it.
    """
    return {
        f"{head}, {dataset_title(dataset)}": line.rename(columns={column: "accuracy"})[["steps", "accuracy"]]
        for dataset, line in heads.groupby("dataset", sort=False)
        for head, column in (("MLM", "mlm_accuracy"), ("NSP", "nsp_accuracy"))
        if line[column].notna().any()
    }


def steps_table(by_steps: pd.DataFrame, heads: pd.DataFrame, printed: pd.Series, name: str) -> Table:
    """One row for each data set and number of steps, with the paper's number for the same steps.

    Args:
        by_steps: as `error_by_steps` gives it.
        heads: as `heads_by_steps` gives it.
        printed: as `printed_by_steps` gives it.
        name: target of cross-references.
    """
    measured = heads.set_index(["dataset", "steps"])
    rows = []
    for dataset, cells in by_steps.groupby("dataset", sort=False):
        papers = printed[printed.index.get_level_values("column") == dataset].droplevel("column")
        for _, cell in cells.iterrows():
            paper = percent(papers.get(cell["variant"], float("nan")), 2)
            learnt = measured.loc[(dataset, cell["steps"])] if (dataset, cell["steps"]) in measured.index else None
            rows.append([cell["variant"], dataset_title(dataset), error_cell(cell), paper, *_learnt(learnt)])
        for variant, error in papers.drop(cells["variant"], errors="ignore").items():
            rows.append([variant, dataset_title(dataset), "–", percent(error, 2), *_learnt(None)])
    head = (
        "further pre-training",
        "data set",
        "test error, here",
        "paper",
        "MLM loss",
        "MLM accuracy",
        "NSP loss",
        "NSP accuracy",
    )
    caption = "Test error by steps of further pre-training, and how well the heads do by then"
    return Table(head, rows, caption, name, note(by_steps))


def _learnt(measured: pd.Series | None) -> list[str]:
    if measured is None:
        return ["–"] * 4
    return [
        "–" if pd.isna(value) else percent(value) if measure.endswith("accuracy") else f"{value:.2f}"
        for measure, value in measured.items()
    ]
