"""Tables and sentences of the page on your own texts: methods, a recommendation, labels, and errors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tcstudy.catalog.datasets import DatasetFacts, dataset_facts
from tcstudy.corpora.loading import load_corpus
from tcstudy.experiments.base import RunKey
from tcstudy.experiments.own_texts import BAG_OF_WORDS, METHODS, OwnTexts, variant_name
from tcstudy.report.cells import change_cell, percent_range
from tcstudy.report.intervals import (
    LEAST_RUNS,
    Estimate,
    differs,
    error,
    mean,
    paired_matrices,
    rate,
    spread,
    wrong_matrix,
)
from tcstudy.report.quality import f1_matrix
from tcstudy.report.stats import share_cut
from tcstudy.report.tables import Notice, Table, percent
from tcstudy.study.record import Record

Records = Mapping[RunKey, Record]
MOST_SHOWN = 10
LONGEST_SHOWN = 300
"""Number of characters shown of a text."""


@dataclass(frozen=True)
class Measured:
    """A method with a number of labels.

    Attributes:
        method: its name.
        labels: number of documents that it was trained on.
        runs: its records, by seed.
        error, f1: on the test documents, with their intervals.
    """

    method: str
    labels: int
    runs: tuple[Record, ...]
    error: Estimate
    f1: Estimate


def measured(experiment: OwnTexts, records: Records) -> dict[tuple[str, int], Measured]:
    """Every method and number of labels with runs that converged."""
    found = {}
    for size in experiment.sizes():
        for method in METHODS:
            name = variant_name(method, size)
            runs = [record for key, record in records.items() if key.variant == name]
            wrong = wrong_matrix(runs)
            if wrong.size:
                f1 = f1_matrix(runs)
                found[method, size] = Measured(
                    method, runs[0].data.used_train, tuple(runs), error(wrong), rate(spread(f1), *f1.shape)
                )
    return found


def change(of: Measured, reference: Measured) -> Estimate:
    """The error of `of` minus that of `reference`, on the same documents with the same seeds."""
    wrong, other = paired_matrices(of.runs, reference.runs)
    return mean(wrong.astype(float) - other)


def methods_table(experiment: OwnTexts, records: Records) -> Table:
    """Error and macro-F1 of each method with all labels, and its difference from each cheaper method."""
    found, whole = measured(experiment, records), experiment.sizes()[-1]
    rows = []
    for method in METHODS:
        if (method, whole) not in found:
            rows.append([method, "did not converge", *["–"] * 4])
            continue
        own = found[method, whole]
        against = [
            change_cell(difference.mean, difference.low, difference.high)
            if other != method and (other, whole) in found and (difference := change(own, found[other, whole]))
            else "–"
            for other in METHODS[: METHODS.index(method) or 1]
        ]
        seconds = np.mean([run.cost.training_seconds + run.cost.evaluation_seconds for run in own.runs])
        measures = [percent_range(pd.Series(vars(of))).replace("%", "") for of in (own.error, own.f1)]
        cells = [*measures, *against, *["–"] * (len(METHODS) - 1 - len(against))]
        rows.append([method, *cells, f"{seconds:,.0f}"])
    head = (
        "method",
        "error (%)",
        "macro-F1 (%)",
        *(f"points against {name}" for name in METHODS[:-1]),
        "seconds per run",
    )
    first = next(one for (_, size), one in found.items() if size == whole)
    note = (
        f"{len(experiment.seeds)} draws of {first.labels:,} labelled training documents, and {first.error.documents:,} "
        "test documents, the same for all. 95% intervals over draws and test documents in brackets; a difference is "
        "significant if its interval excludes zero. The last column does not include further pre-training."
    )
    return Table(head, rows, "Methods with all labels", "tab-own-methods", note)


@dataclass(frozen=True)
class Recommendation:
    """A recommended method, with the reason in sentences.

    Attributes:
        method: one of `METHODS`.
        encoder: the best method with an encoder; the same, unless a bag of words is recommended.
        reason: why.
    """

    method: str
    encoder: str
    reason: str


def recommendation(experiment: OwnTexts, records: Records) -> Recommendation:
    """The cheapest method that no other significantly beats: a more expensive one must earn its cost."""
    found, whole = measured(experiment, records), experiment.sizes()[-1]
    there = [found[method, whole] for method in METHODS if (method, whole) in found]
    chosen, reason = _cheapest(there)
    with_encoder = [one for one in there if one.method != BAG_OF_WORDS]
    encoder, _ = _cheapest(with_encoder) if with_encoder else (chosen, "")
    return Recommendation(chosen.method, encoder.method, reason)


def _cheapest(there: Sequence[Measured]) -> tuple[Measured, str]:
    chosen, told = there[0], []
    for dearer in there[1:]:
        difference = change(dearer, chosen)
        points = f"{change_cell(difference.mean, difference.low, difference.high)} points"
        if difference.runs < LEAST_RUNS:
            told.append(
                f"{_name(dearer)} is not preferred to {chosen.method}, which costs less, on {difference.runs} "
                f"draw{'s' * (difference.runs > 1)}: {points}; fewer than {LEAST_RUNS} decide nothing."
            )
        elif not differs(difference):
            told.append(
                f"{_name(dearer)} does not differ significantly from {chosen.method}, which costs less: {points}."
            )
        elif difference.high < 0:
            told.append(f"{_name(dearer)} makes fewer errors than {chosen.method}: {points}.")
            chosen = dearer
        else:
            told.append(f"{_name(dearer)} makes more errors than {chosen.method}: {points}.")
    return chosen, " ".join(told) or f"No method other than {chosen.method} converged."


def _name(of: Measured) -> str:
    return of.method[0].upper() + of.method[1:]


def recommendation_notice(experiment: OwnTexts, records: Records) -> Notice:
    """The recommended method, and why."""
    found = recommendation(experiment, records)
    own = measured(experiment, records)[found.method, experiment.sizes()[-1]]
    error_range = percent_range(pd.Series(vars(own.error)))
    text = f"Use {found.method}. It misclassifies {error_range} of the test documents. {found.reason}"
    if found.encoder != found.method:
        text += f" The saved model is the best one with an encoder, trained by {found.encoder}."
    return Notice("tip", "Recommendation", text)


def curve(experiment: OwnTexts, records: Records) -> dict[str, pd.DataFrame]:
    """Errors by number of labels, one frame (labelled, mean, low, high) for each method."""
    found = measured(experiment, records)
    lines = {}
    for method in METHODS:
        cells = [one for (name, _), one in found.items() if name == method]
        lines[method] = pd.DataFrame(
            {
                "labelled": [one.labels for one in cells],
                **{side: [getattr(one.error, side) for one in cells] for side in ("mean", "low", "high")},
            }
        )
    return {method: line for method, line in lines.items() if len(line)}


def more_labels(experiment: OwnTexts, records: Records) -> Notice:
    """Whether more labels would help, from the last step of the learning curve of the recommended method."""
    method = recommendation(experiment, records).method
    found = {one.labels: one for (name, _), one in measured(experiment, records).items() if name == method}
    if len(found) < 2:
        text = "The curve has only one point: list smaller numbers in `labels` to get more."
        return Notice("note", "Would more labels help?", text)
    fewer, most = sorted(found)[-2:]
    difference = change(found[most], found[fewer])
    points = f"{change_cell(difference.mean, difference.low, difference.high)} points"
    told = f"With {method}, going from {fewer:,} to {most:,} labels changes the error by {points}."
    doublings = np.log2(most / fewer)
    if not differs(difference):
        text = (
            f"Not shown. {told} With {len(experiment.seeds)} draws, a smaller gain cannot be distinguished from chance."
        )
    elif difference.high < 0:
        gain = change_cell(*(getattr(difference, side) / doublings for side in ("mean", "low", "high")))
        text = (
            f"Yes. {told} If the error keeps falling at this rate, doubling the labels changes it by {gain} "
            "points. Expect no more than that, since such curves flatten."
        )
    else:
        text = f"No. {told} A lack of labels is not the problem with these texts."
    return Notice("tip", f"Would more than {most:,} labels help?", text)


def confusion(experiment: OwnTexts, records: Records) -> pd.DataFrame:
    """Shares of each true class's test documents by predicted class, over the runs of the recommended method.

    Returns:
        True classes in rows, predicted ones in columns, by name; rows sum to one.
    """
    classes = _facts(experiment).classes
    counts = np.zeros((len(classes), len(classes)))
    for record in _recommended(experiment, records).runs:
        if record.test:
            np.add.at(counts, (record.test.labels.unpack(), record.test.predicted.unpack()), 1)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    return pd.DataFrame(shares, index=list(classes), columns=list(classes))


def confusions_table(experiment: OwnTexts, records: Records) -> Table:
    """The most frequent confusions of the recommended method."""
    test = next(record.test for record in _recommended(experiment, records).runs if record.test)
    documents = np.bincount(test.labels.unpack(), minlength=len(_facts(experiment).classes))
    shares = confusion(experiment, records)
    pairs = [
        (share * documents[row], share, true, predicted)
        for row, (true, line) in enumerate(shares.iterrows())
        for predicted, share in line.items()
        if true != predicted and share
    ]
    rows = [
        [true, predicted, f"{number:.1f}", percent(share)]
        for number, share, true, predicted in sorted(pairs, key=lambda pair: -pair[0])[:MOST_SHOWN]
    ]
    head = ("class", "predicted as", "documents", "share of the class")
    note = "Mean numbers of test documents over the runs of the recommended method."
    return Table(head, rows, "The most frequent confusions", "tab-own-confusions", note)


def wrong_texts(experiment: OwnTexts, records: Records) -> Table:
    """Test texts that every method with all labels gets wrong with every seed, most confident predictions first."""
    found, whole = measured(experiment, records), experiment.sizes()[-1]
    tests = [run.test for (_, size), one in found.items() if size == whole for run in one.runs if run.test]
    lost = np.flatnonzero(np.all([test.wrong for test in tests], axis=0))
    confidence = np.mean([test.confidence.unpack() for test in tests], axis=0)
    predicted = np.stack([test.predicted.unpack() for test in tests])
    texts, classes = load_corpus(experiment.documents).test, _facts(experiment).classes
    rows = []
    for place in sorted(lost, key=lambda place: -confidence[place])[:MOST_SHOWN]:
        answers = np.bincount(predicted[:, place])
        document = texts[int(place)]
        rows.append([_cut(document["text"]), classes[document["label"]], classes[int(answers.argmax())]])
    share = percent(len(lost) / tests[0].documents)
    note = (
        f"Every method gets {len(lost):,} of {tests[0].documents:,} test documents ({share}) wrong with every draw; "
        f"{len(rows)} are shown. Check their labels first: such texts are often mislabelled, or labelled by a rule "
        "that the text does not show."
    )
    return Table(("text", "label", "predicted"), rows, "Texts that every method gets wrong", "tab-own-wrong", note)


def _cut(text: str) -> str:
    one_line = " ".join(
        "".join(c if c.isprintable() or c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text).split()
    )
    return one_line if len(one_line) <= LONGEST_SHOWN else f"{one_line[:LONGEST_SHOWN]}…"


def found_table(experiment: OwnTexts, lengths: np.ndarray) -> Table:
    """An overview of the texts: classes, documents, lengths, and what the window cuts.

    Args:
        experiment: of the page.
        lengths: of all texts, in wordpieces, shape (texts,).
    """
    rows = [(name, value) for name, value in found_in(experiment, lengths).items()]
    return Table(("property", "found"), rows, "The texts", "tab-own-found")


def found_in(experiment: OwnTexts, lengths: np.ndarray) -> dict[str, str]:
    """An overview of the texts by keyword: the file, documents, classes, lengths, share cut by the window."""
    facts, window = _facts(experiment), experiment.window
    cut = share_cut(lengths, window.length)
    found = {
        "file": facts.source,
        "documents": f"{facts.train:,} for training (validation included), {facts.test:,} for testing",
        "classes": f"{len(facts.classes)}: "
        + ", ".join(facts.classes[:12])
        + (" ..." if len(facts.classes) > 12 else ""),
        "length": f"median {np.median(lengths):,.0f} wordpieces, at most {np.max(lengths):,.0f}",
        "window": f"{window.length} wordpieces, {window.method}: cuts {percent(cut)} of the texts",
    }
    if experiment.documents.unlabelled:
        more = dataset_facts(experiment.documents.unlabelled)
        found["unlabelled"] = f"{more.train:,} texts, for further pre-training ({more.source})"
    return found


def _facts(experiment: OwnTexts) -> DatasetFacts:
    return dataset_facts(experiment.documents.name)


def _recommended(experiment: OwnTexts, records: Records) -> Measured:
    method = recommendation(experiment, records).method
    return measured(experiment, records)[method, experiment.sizes()[-1]]
