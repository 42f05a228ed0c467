"""What an encoder's MLM and NSP heads make of held-out text, beside counts of words, and whether that is enough."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes

from tcstudy.catalog.datasets import dataset_title
from tcstudy.experiments.encoder import PUBLISHED
from tcstudy.report.published import printed_errors
from tcstudy.report.tables import Notice, Table, percent
from tcstudy.spec import EncoderSpec
from tcstudy.study.encoders import EncoderRecord
from tcstudy.training.outcome import HeadQuality, TextHeads

GENERAL = "general"
MLM_LIMIT = 3.5
"""Nats on general text that a base encoder may have at most."""
NSP_LIMIT = 0.8
"""Share of pairs of general text that it has to get right."""
BESIDE_COUNTS = ("imdb", "ag_news")
"""Data sets on whose text it has to do better than counts of neighbouring words."""


@dataclass(frozen=True)
class Gate:
    """A condition on a base encoder, set before it was made.

    Attributes:
        condition: in words, with its limit.
        measured: what it is about, as a record has it; None where the record has not measured it.
        passed: whether it holds.
    """

    condition: str
    measured: float | None
    passed: bool


def gates(record: EncoderRecord) -> list[Gate]:
    """The conditions that a base encoder has to meet: on general text, and beside counts on text of tasks."""
    texts = {text.name: text for text in record.texts}
    general = texts[GENERAL].after if GENERAL in texts else HeadQuality()
    found = [
        _gate(f"MLM loss on general text at most {MLM_LIMIT:g} nats", general.mlm_loss, MLM_LIMIT),
        _gate(f"NSP on general text at least {percent(NSP_LIMIT, 0)} right", general.nsp_accuracy, NSP_LIMIT, -1),
    ]
    for name in BESIDE_COUNTS:
        text = texts.get(name)
        limit = text.bigram if text else float("nan")
        told = f"MLM loss on text of {dataset_title(name)} below that of counts of neighbours"
        found.append(_gate(told + (f", {limit:.2f} nats" if text else ""), text and text.after.mlm_loss, limit))
    return found


def _gate(condition: str, measured: float | None, limit: float, sign: int = 1) -> Gate:
    return Gate(condition, measured, measured is not None and sign * measured <= sign * limit)


def gates_table(record: EncoderRecord, name: str) -> Table:
    """A row for each gate: what was asked, what was measured, whether it was passed."""
    rows = [
        [
            gate.condition,
            "not measured" if gate.measured is None else f"{gate.measured:.2f}",
            "passed" if gate.passed else "not passed",
        ]
        for gate in gates(record)
    ]
    return Table(("asked", "measured", "gate"), rows, "What was asked of the encoder before it was made", name)


def gates_found(record: EncoderRecord | None) -> Notice:
    """How many of the conditions a base encoder meets, and what was measured of each.

    Args:
        record: of the last stage of general pre-training; None where the encoder is used as it was published.
    """
    title = "The base encoder"
    if record is None:
        return Notice("note", title, "No stage was added: the encoder is used as it was published.")
    found = gates(record)
    told = "; ".join(
        f"{gate.condition}: {'not measured' if gate.measured is None else f'{gate.measured:.2f}'}" for gate in found
    )
    passed = sum(gate.passed for gate in found)
    return Notice("tip", title, f"Of {len(found)} conditions on the encoder {passed} are met. {told}.")


def heads_table(texts: Sequence[TextHeads], name: str) -> Table:
    """A row for each text: both heads before and after the stage, beside counts of the same words."""
    rows = []
    for text in texts:
        rows.append(
            [
                dataset_title(text.name),
                *(_number(heads.mlm_loss) for heads in (text.before, text.after)),
                *(_number(loss) for loss in (text.unigram, text.bigram)),
                *(_share(heads.mlm_accuracy) for heads in (text.before, text.after)),
                *(_share(heads.nsp_accuracy) for heads in (text.before, text.after)),
                f"{text.counted:,}",
            ]
        )
    head = (
        "held-out text of",
        "MLM loss before",
        "after",
        "word counts",
        "counts of neighbours",
        "MLM right before",
        "after",
        "NSP right before",
        "after",
        "wordpieces counted",
    )
    note = (
        "Losses are in nats for each masked word. Counts are of other texts of the same set, of as many wordpieces as "
        "the stage read, at most of all there are, and smoothed to do best on these words. NSP is a choice of two."
    )
    return Table(head, rows, "The heads on text that no stage was trained on", name, note)


def others_table(encoder: EncoderSpec, records: Iterable[EncoderRecord], name: str) -> Table:
    """What other published encoders make of the same kinds of text, from records of pre-trainings that began with them.

    Args:
        encoder: the page's, which is left out.
        records: of encoders that were made, whatever asked for them.
        name: target of cross-references.
    """
    rows = [
        [record.spec.name, dataset_title(text.name), _number(text.before.mlm_loss), _share(text.before.mlm_accuracy)]
        for record in records
        if record.spec.name != encoder.name and len(record.spec.stages) == 1
        for text in record.texts
    ]
    rows = rows or [["none is recorded", "–", "–", "–"]]
    head = ("published encoder", "held-out text of", "MLM loss", "MLM right")
    return Table(head, sorted(rows), "Published encoders with heads of their own, on the same kinds of text", name)


def examples_table(texts: Sequence[TextHeads], name: str) -> Table:
    """Masked words of held-out text with what the head takes them for; only of texts that may be quoted."""
    rows = [
        [
            f"… {example.before} ____ {example.after} …",
            example.word,
            ", ".join(
                f"{guess} {percent(share, 0)}"
                for guess, share in zip(example.guesses, example.probabilities, strict=True)
            ),
        ]
        for text in texts
        for example in text.examples
    ]
    return Table(("text", "the word", "the head's guesses"), rows, "Masked words of general text, filled in", name)


def printed_errors_of(errors: pd.DataFrame) -> pd.Series:
    """The paper's test errors of BERT-base, fine-tuned as it was published, on the data sets of `errors`.

    Args:
        errors: as `stats.errors` gives them.
    """
    printed = printed_errors("table-6").loc[["BERT-FiT"]].rename({"BERT-FiT": PUBLISHED}, level="row")
    return printed[printed.index.get_level_values("column").isin(errors["dataset"].unique())]


def loss_curve(ax: Axes, record: EncoderRecord) -> None:
    """Training loss of both heads together against the wordpieces read so far.

    Args:
        ax: drawn on.
        record: of a pre-training.
    """
    read = [step * record.cost.tokens / record.cost.steps / 1e6 for step in record.curve.steps]
    ax.plot(read, record.curve.losses)
    ax.set_xlabel("million wordpieces read")
    ax.set_ylabel("training loss, MLM and NSP (nats)")
    ax.grid(alpha=0.3)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _share(value: float | None) -> str:
    return "–" if value is None else percent(value)
