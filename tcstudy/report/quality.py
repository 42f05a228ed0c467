"""Beside the error: macro-F1, and what the error's variance comes from: seed, draw and test documents."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tcstudy.catalog.datasets import dataset_title
from tcstudy.experiments.base import RunKey
from tcstudy.report.cells import percent_range, with_runs
from tcstudy.report.frame import further
from tcstudy.report.intervals import rate, rest_square, wrong_matrix
from tcstudy.report.stats import by_cell, estimates
from tcstudy.report.tables import Fold, Notice, Table
from tcstudy.spec import EncoderSpec, PretrainingSpec, RunSpec
from tcstudy.study.record import Record


@dataclass(frozen=True)
class Split:
    """Additive components of the variance of one run's error rate; NaN where the runs cannot show them.

    Attributes:
        seed: due to the seed, which orders the documents and initialises the classifier.
        draw: due to the draw of the training documents.
        test: due to the sample of test documents, at this number of them.
    """

    seed: float
    draw: float
    test: float


def split(wrong: np.ndarray, draws: Sequence[int]) -> Split:
    """The variance components of a two-way layout of runs and documents, with seeds nested in draws.

    Args:
        wrong: shape (runs, documents), one row for each run.
        draws: the draw of each row. Rows of one draw differ by seed.
    """
    runs, documents = wrong.shape
    if not wrong.size:
        return Split(np.nan, np.nan, np.nan)
    rates = wrong.mean(axis=1)  # (runs,)
    test = float(np.mean(rates * (1 - rates)) / max(documents - 1, 1))
    if runs == 1:
        return Split(np.nan, np.nan, test)
    groups = [rates[np.asarray(draws) == draw] for draw in dict.fromkeys(draws)]
    within = sum(len(group) - 1 for group in groups)
    between = len(groups) - 1
    # rates differ by chance, too, because every run gets some other documents wrong
    chance = rest_square(wrong.astype(float)) / documents
    seeds = sum(np.sum((group - group.mean()) ** 2) for group in groups) / within if within else np.nan
    if not between:
        return Split(max(seeds - chance, 0.0), np.nan, test)
    size = (runs - sum(len(group) ** 2 for group in groups) / runs) / between  # of a draw, where they differ
    of_draws = sum(len(group) * (group.mean() - rates.mean()) ** 2 for group in groups) / between
    draw = max(of_draws - (seeds if within else chance), 0.0) / size
    return Split(max(seeds - chance, 0.0) if within else np.nan, float(draw), test)


def split_of(records: Sequence[Record]) -> Split:
    """`split` of the runs of one cell that did not diverge."""
    tested = [record for record in records if record.test]
    wrong = np.stack([record.test.wrong for record in tested]) if tested else np.zeros((0, 0))
    return split(wrong, [record.spec.data.draw for record in tested])


def of_pretrainings(records: Iterable[Record]) -> Notice:
    """How much the error varies between further pre-trainings on the same text, as far as the records show it.

    Args:
        records: of all pages, whose runs differ by encoder, data set, seed, draw and more; stages that all encoders
            with the same starting point share are not counted.
    """
    once = {record.id: record for record in records}  # a run may stand on several pages
    records = [record for record in once.values() if isinstance(record.spec, RunSpec) and record.test]
    encoders = {record.spec.encoder for record in records}
    cells: dict[RunSpec, dict[EncoderSpec, list[Record]]] = {}
    for record in records:
        spec = record.spec
        if any(isinstance(stage, PretrainingSpec) for stage in further(spec.encoder, encoders)):
            data = spec.data.model_copy(update={"draw": 0})
            alike = spec.model_copy(update={"encoder": _unseeded(spec.encoder), "seed": 0, "data": data})
            cells.setdefault(alike, {}).setdefault(spec.encoder, []).append(record)
    made: dict[EncoderSpec, set[EncoderSpec]] = {}
    for alike, encoders in cells.items():
        made.setdefault(alike.encoder, set()).update(encoders)
    several = {alike: encoders for alike, encoders in cells.items() if len(encoders) > 1}
    title = "Variance of further pre-training on the same text"
    if not several:
        text = (
            f"The recorded runs rest on {len(made)} further pre-trainings, none of them repeated with another seed on "
            "the same text. So the records cannot show how a repetition would change an error, and no interval "
            "includes it."
        )
        return Notice("warning", title, text)
    splits = [
        split(
            np.stack([record.test.wrong for of in encoders.values() for record in of]),
            [number for number, of in enumerate(encoders.values()) for _ in of],
        )
        for encoders in several.values()
    ]
    between, within = (100 * pd.DataFrame(splits).mean() ** 0.5)[["draw", "seed"]]
    counts = sorted({len(encoders) for encoders in several.values()})
    cells_told = f"{len(several)} cell{'' if len(several) == 1 else 's'} of the records"
    text = f"In {cells_told}, the encoder was further pre-trained with {' or '.join(map(str, counts))} seeds on the "
    if all(len(of) == 1 for encoders in several.values() for of in encoders.values()):
        text += (
            "same text, and fine-tuned once after each. The errors of these runs have a standard deviation of "
            f"{between:.2f} points, without what chance in the test documents adds. It includes that of fine-tuning, "
            "whose seed and training documents differed too, so it is the most that the pre-trainings can account for."
        )
    else:
        text += (
            f"same text. The error has a standard deviation of {between:.2f} points between such pre-trainings, and of "
            f"{within:.2f} points between runs that start from the same one."
        )
    return Notice("note", title, text)


def _unseeded(encoder: EncoderSpec) -> EncoderSpec:
    """The encoder without the seeds of its pre-trainings."""
    stages = [
        stage.model_copy(update={"recipe": stage.recipe.model_copy(update={"seed": 0})})
        if isinstance(stage, PretrainingSpec)
        else stage
        for stage in encoder.stages
    ]
    return encoder.model_copy(update={"stages": tuple(stages)})


def beside_error(records: Mapping[RunKey, Record], page: str) -> Fold:
    """Error, macro-F1 and standard deviations, one row for each data set and variant."""
    cells = {cell: [*runs.values()] for cell, runs in by_cell(records).items()}
    measures = (
        estimates({cell: wrong_matrix(runs) for cell, runs in cells.items()}, rate),
        estimates({cell: f1_matrix(runs) for cell, runs in cells.items()}, rate),
    )
    rows = []
    for (dataset, variant), runs in cells.items():
        variances = split_of(runs)
        rows.append(
            [
                dataset_title(variant),
                dataset_title(dataset),
                *(  # a Series, since NumPy's numbers round ties as those of the other tables do, and Python's do not
                    with_runs(percent_range(pd.Series(vars(of[dataset, variant]))), [run.id for run in runs])
                    for of in measures
                ),
                *(_points(variance) for variance in (variances.seed, variances.draw, variances.test)),
            ]
        )
    head = ("variant", "data set", "error", "macro-F1", "seed", "draw", "test documents")
    note = (
        "95% intervals in brackets. The last three columns are standard deviations of one run's error, in points: over "
        "seeds, over draws of the training documents, and over samples of as many test documents. A dash means that "
        "one seed or one draw cannot show it. Where each draw has a single seed, the effect of the seed is part of "
        "that of the draw."
    )
    caption = "Error, macro-F1, and sources of variance of one run's error"
    table = Table(head, rows, caption, f"beside-error-{page}", note)
    return Fold("Other metrics and sources of variance", [table], "beside-error")


def f1_values(labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Values for each document whose mean is the macro-F1 of a run, linearised in each document's contribution.

    F1 of a class is 2 TP / (predicted + true); macro-F1 is its mean over the classes that occur among either.

    Args:
        labels: true classes, shape (documents,).
        predicted: shape (documents,).

    Returns:
        Shape (documents,).
    """
    classes = np.union1d(labels, predicted)[:, None]  # (classes, 1)
    true, found = labels == classes, predicted == classes  # (classes, documents)
    size = true.mean(axis=1, keepdims=True) + found.mean(axis=1, keepdims=True)
    f1 = 2 * (true & found).mean(axis=1, keepdims=True) / size
    values = f1 + (2.0 * (true & found) - f1 * (true * 1.0 + found)) / size
    return values.mean(axis=0)


def f1_matrix(records: Sequence[Record]) -> np.ndarray:
    """`f1_values` of the runs that did not diverge, shape (runs, documents)."""
    tests = [record.test for record in records if record.test]
    rows = [f1_values(test.labels.unpack(), test.predicted.unpack()) for test in tests]
    return np.stack(rows) if rows else np.zeros((0, 0))


def _points(variance: float) -> str:
    """A variance of shares as a standard deviation in percentage points."""
    return "–" if np.isnan(variance) else f"{100 * np.sqrt(variance):.1f}"
