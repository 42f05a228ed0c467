"""Test error after further pre-training: by its steps, by the number of labelled documents, and by its corpus."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tcstudy.catalog.datasets import dataset_title
from tcstudy.experiments import domains
from tcstudy.experiments.base import RunKey
from tcstudy.experiments.few_shot import CONTROL, PLAIN, PRETRAINED
from tcstudy.experiments.within_task import stop_name
from tcstudy.report.cells import change_cell, error_cell, note, percent_range, share_cell
from tcstudy.report.frame import NONE, OWN, RELATIONS, every_column, of_variants, relation
from tcstudy.report.intervals import combined, estimate, spread
from tcstudy.report.published import printed_errors
from tcstudy.report.stats import error_matrix, error_reduction, errors, reductions, values_of
from tcstudy.report.tables import Notice, Table, escape_markdown, nats, percent, points
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
    """How the heads of encoders do on text that is held out of their further pre-training, before it and by its steps.

    Args:
        encoders: by data set and steps.
        made: records of encoders, these among them; an encoder without a record is left out.

    Returns:
        Columns dataset, steps, mlm_loss (in nats), mlm_accuracy, nsp_loss and nsp_accuracy; missing for heads that
        were not trained.
    """
    measured = ("mlm_loss", "mlm_accuracy", "nsp_loss", "nsp_accuracy")
    found = {place: made[spec].measured for place, spec in encoders.items() if spec in made}
    before = {
        (dataset, 0): text.before
        for (dataset, _), spec in encoders.items()
        if spec in made
        for text in made[spec].texts
        if text.name == dataset
    }
    return pd.DataFrame(
        [
            {"dataset": dataset, "steps": steps, **{name: getattr(heads, name) for name in measured}}
            for (dataset, steps), heads in (before | found).items()
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
    return [percent(value) if measure.endswith("accuracy") else nats(value) for measure, value in measured.items()]


def error_by_documents(records: Mapping[RunKey, Record], compared: Mapping[str, str]) -> pd.DataFrame:
    """Test error over draws and seeds, by data set, encoder and number of labelled documents.

    Args:
        records: of the page.
        compared: `FewShot.compared`.

    Returns:
        As `stats.errors`, with each method compared as `compared` says, and with the columns method and labelled (the
        number of training documents).
    """
    found = errors(records, compared)
    relations = of_variants(every_column(records), "pretraining.relation")
    used = {(key.dataset, key.variant): record.data.used_train for key, record in records.items()}
    cells = [*zip(found["dataset"], found["variant"], strict=True)]
    methods = [{NONE: PLAIN, OWN: PRETRAINED}.get(relations[cell], CONTROL) for cell in cells]
    return found.assign(method=methods, labelled=[used[cell] for cell in cells])


def reductions_by_documents(records: Mapping[RunKey, Record], compared: Mapping[str, str]) -> pd.DataFrame:
    """Relative error reduction by the task's own text, by data set and number of labelled documents, fewest first.

    Args:
        records, compared: as `error_by_documents` takes them.

    Returns:
        Columns dataset, labelled, plain, pretrained (mean errors), reduction, low, high (relative: 0.25 is a
        quarter less), and shown: whether the difference of the errors is significant.
    """
    by_documents = error_by_documents(records, compared)
    means = by_documents.pivot(index=["dataset", "labelled"], columns="method", values="mean")
    means = means.rename(columns={PLAIN: "plain", PRETRAINED: "pretrained"}).reset_index().rename_axis(columns=None)
    relative = reductions(records, compared).rename(columns={"mean": "reduction"})
    tested = by_documents[by_documents["method"] == PRETRAINED].rename(columns={"differs": "shown"})
    relative = relative[["dataset", "variant", "reduction", "low", "high"]].merge(
        tested[["dataset", "variant", "labelled", "shown"]], on=["dataset", "variant"]
    )
    found = means.merge(relative.drop(columns="variant"), on=["dataset", "labelled"])
    return found.sort_values(["dataset", "labelled"], ignore_index=True)


def documents_table(
    records: Mapping[RunKey, Record], compared: Mapping[str, str], printed: pd.DataFrame, name: str
) -> Table:
    """One row for each data set and number of labelled documents, with the paper's numbers for as many of the same set.

    Args:
        records, compared: as `error_by_documents` takes them.
        printed: `claims.printed_few_shot()`.
        name: target of cross-references.
    """
    by_documents = error_by_documents(records, compared)
    cells = {(row["dataset"], row["labelled"], row["method"]): error_cell(row) for _, row in by_documents.iterrows()}
    papers = {
        (row["dataset"], row["data.train"], PLAIN if row["pretraining.relation"] == NONE else PRETRAINED): row["error"]
        for _, row in printed.iterrows()
    }
    methods = [method for method in (PLAIN, PRETRAINED, CONTROL) if (by_documents["method"] == method).any()]
    rows = []
    for _, row in reductions_by_documents(records, compared).iterrows():
        at = (row["dataset"], row["labelled"])
        rows.append(
            [
                dataset_title(row["dataset"]),
                f"{row['labelled']:,}",
                *(cells[*at, method] for method in methods),
                share_cell(row["reduction"], row["low"], row["high"]),
                *(percent(papers.get((*at, method), float("nan")), 2) for method in (PLAIN, PRETRAINED)),
            ]
        )
    head = (
        "data set",
        "labelled documents",
        *(f"{method}, here" for method in methods),
        f"relative error reduction by {PRETRAINED}",
        f"{PLAIN}, paper",
        f"{PRETRAINED}, paper",
    )
    caption = "Test error by labelled documents, with and without further pre-training"
    return Table(head, rows, caption, name, note(by_documents))


def few_shot_found(records: Mapping[RunKey, Record], compared: Mapping[str, str]) -> Notice:
    """The effect of further pre-training with the fewest and with the most labelled documents, beside its control.

    Args:
        records, compared: as `error_by_documents` takes them.
    """
    by_documents = error_by_documents(records, compared)
    controls = dict(list(by_documents[by_documents["method"] == CONTROL].groupby("dataset", sort=False)))
    paragraphs = []
    for dataset, cells in reductions_by_documents(records, compared).groupby("dataset", sort=False):
        title = escape_markdown(dataset_title(dataset))
        known = cells.dropna(subset="reduction")
        if known.empty:
            paragraphs.append(f"{title}: with no number of labelled documents did runs with both encoders converge.")
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
                else "It never lowers the error. "
            )
            + _shown([f"{labelled:,}" for labelled in known.loc[known["shown"], "labelled"]])
            + (_beside_other_text(controls[dataset]) if dataset in controls else "")
        )
    return Notice("tip", "What these runs show", "\n\n".join(paragraphs))


def _beside_other_text(controls: pd.DataFrame) -> str:
    """What other text does in place of the task's own, for each number of labelled documents; rows of one data set."""
    told = [
        f"{percent_range(row)} with {row['labelled']:,} labelled documents"
        + ("" if pd.isna(row["change"]) else f", {change_cell(*row[['change', 'change_low', 'change_high']])} points")
        for _, row in controls.sort_values("labelled").iterrows()
    ]
    return (
        " After as many steps on text of another kind, the mean error and its difference from that after the task's "
        f"own text are {'; '.join(told)}."
    )


def _shown(labelled: Sequence[str]) -> str:
    *first, last = labelled or [""]
    if not last:
        return "No difference is significant."
    return f"The difference is significant with {', '.join(first)}{' and ' if first else ''}{last}."


Corpora = Mapping[str, Sequence[str]]
"""The data sets of each variant's corpus, by its title; none for the one without further pre-training."""


def corpora_of(records: Mapping[RunKey, Record]) -> Corpora:
    """The corpora of a page's variants."""
    found = of_variants(every_column(records), "pretraining.corpus")
    return {variant: corpus for (_, variant), corpus in found.items()}


def printed_corpora(matrix: pd.DataFrame) -> Corpora:
    """The corpora of the paper's Table 5, whose rows are called as `experiments.domains` calls them."""
    return {domains.PLAIN: (), **domains.corpora(list(matrix.columns))}


def plain_of(members: Corpora) -> str:
    """The variant without further pre-training."""
    [plain] = [variant for variant, corpus in members.items() if not corpus]
    return plain


def changes(matrix: pd.DataFrame, members: Corpora) -> pd.DataFrame:
    """Difference of each corpus's errors to those without further pre-training, in percentage points.

    Args:
        matrix: errors as `stats.error_matrix` gives them.
        members: the corpora of its rows.

    Returns:
        One row for each corpus and one column for each data set, called by their titles.
    """
    plain = plain_of(members)
    points = 100 * (matrix.drop(index=plain) - matrix.loc[plain])
    return points.rename(index=dataset_title, columns=dataset_title)


def intervals(errors: pd.DataFrame) -> pd.DataFrame:
    """The intervals of `changes` as text.

    Args:
        errors: as `stats.errors` gives them, compared with no further pre-training.
    """
    compared = errors[errors["reference"].notna()]
    texts = [
        "" if pd.isna(row["change"]) else f"{points(row['change_low'])} to\n{points(row['change_high'])}"
        for _, row in compared.iterrows()
    ]
    return error_matrix(compared.assign(mean=texts)).fillna("")


def inside(matrix: pd.DataFrame, members: Corpora) -> pd.DataFrame:
    """Whether the corpus holds texts of the data set, for each cell of `changes`."""
    rows = {corpus: matrix.columns.isin(members[corpus]) for corpus in matrix.index if members[corpus]}
    return pd.DataFrame.from_dict(rows, orient="index", columns=matrix.columns)


def by_relation(records: Mapping[RunKey, Record], papers: pd.DataFrame) -> Table:
    """Mean relative error reduction by what the corpus is to the task, here and in the paper's Table 5.

    Args:
        records: of the page.
        papers: errors as `stats.error_matrix` gives them.
    """
    columns = [_ours_by_relation(records), _means_by_relation(papers)]
    rows = [[name, *(cell for means in columns for cell in means.get(name, ["–", "–"]))] for name in RELATIONS]
    head = ("corpus", "here", "cells", "paper", "cells")
    caption = "Relative error reduction against no further pre-training, averaged over cells of corpus and data set"
    note = "In brackets the 95% interval over runs and test documents; cells of one data set share these."
    return Table(head, rows, caption, "tab-domains-relation", note)


def _ours_by_relation(records: Mapping[RunKey, Record]) -> dict[str, list[str]]:
    members = corpora_of(records)
    plain = plain_of(members)
    groups: dict[str, dict[str, list[str]]] = {}  # corpora by relation and data set
    for (dataset, corpus), values in _against(plain, records).items():
        if values.size:
            groups.setdefault(relation(members[corpus], dataset), {}).setdefault(dataset, []).append(corpus)
    found = {}
    for name, by_dataset in groups.items():
        cells = sum(map(len, by_dataset.values()))
        sums = [_sum_over(names, plain, dataset, records) / cells for dataset, names in by_dataset.items()]
        if all(values.size for values in sums):
            whole = combined([spread(values) for values in sums])
            mean = estimate(whole, min(map(len, sums)), sum(values.shape[1] for values in sums))
            found[name] = [share_cell(mean.mean, mean.low, mean.high), str(cells)]
    return found


def _sum_over(names: Sequence[str], plain: str, dataset: str, records: Mapping[RunKey, Record]) -> np.ndarray:
    """The sum of the corpora's values on a data set, shape (runs, documents), for runs that ended well with each."""
    on_it = {key: record for key, record in records.items() if key.dataset == dataset and record.test}
    pairs = set.intersection(
        *({(key.draw, key.seed) for key in on_it if key.variant == name} for name in (*names, plain))
    )
    paired = {key: record for key, record in on_it.items() if (key.draw, key.seed) in pairs}
    values = _against(plain, paired)
    return sum(values[dataset, name] for name in names) if pairs else np.zeros((0, 0))


def _against(plain: str, records: Mapping[RunKey, Record]) -> dict[tuple[str, str], np.ndarray]:
    return values_of(records, {key.variant: plain for key in records if key.variant != plain})


def _means_by_relation(matrix: pd.DataFrame) -> dict[str, list[str]]:
    members = printed_corpora(matrix)
    cells = error_reduction(matrix, domains.PLAIN).rename_axis(index="corpus", columns="dataset").stack().dropna()
    relations = [relation(members[corpus], dataset) for corpus, dataset in cells.index]
    return {name: [percent(group.mean()), str(len(group))] for name, group in cells.groupby(relations)}
