"""How an encoder's MLM and NSP heads do on held-out text, compared with word counts, and whether that is enough."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from tcstudy.catalog.datasets import dataset_title
from tcstudy.experiments.encoder import PUBLISHED
from tcstudy.report.published import printed_errors
from tcstudy.report.tables import Notice, Table, nats, percent
from tcstudy.spec import EncoderSpec
from tcstudy.study.encoders import EncoderRecord
from tcstudy.training.outcome import HeadQuality, TextHeads

GENERAL = "general"
MLM_LIMIT = 3.5
"""The highest MLM loss on general text that a base encoder may have, in nats."""
NSP_LIMIT = 0.8
"""The smallest share of pairs of general text that it must get right."""
BESIDE_COUNTS = ("imdb", "ag_news")
"""Data sets on whose text it must do better than counts of neighbouring words."""


@dataclass(frozen=True)
class Gate:
    """A condition on a base encoder, set before it was trained.

    Attributes:
        condition: in words, with its limit.
        measured: the value that it is about; None where the record does not have it.
        passed: whether the condition holds.
        share: whether the value is a share, shown in percent.
    """

    condition: str
    measured: float | None
    passed: bool
    share: bool = False

    @property
    def value(self) -> str:
        """What was measured, in words.

        >>> Gate("", None, False).value, Gate("", 3.512, False).value, Gate("", 0.788, False, share=True).value
        ('not measured', '3.51', '78.8%')
        """
        if self.measured is None:
            return "not measured"
        return percent(self.measured) if self.share else f"{self.measured:.2f}"


def gates(record: EncoderRecord) -> list[Gate]:
    """The conditions that a base encoder must meet: on general text, and against word counts on text of tasks."""
    texts = {text.name: text for text in record.texts}
    general = texts[GENERAL].after if GENERAL in texts else HeadQuality()
    found = [
        _gate(f"MLM loss on general text at most {MLM_LIMIT:g} nats", general.mlm_loss, MLM_LIMIT),
        _gate(f"NSP on general text at least {percent(NSP_LIMIT, 0)} right", general.nsp_accuracy, NSP_LIMIT, -1),
    ]
    for name in BESIDE_COUNTS:
        text = texts.get(name)
        limit = text.bigram if text else float("nan")
        told = f"MLM loss on text of {dataset_title(name)} below that of counts of neighbouring words"
        found.append(_gate(told + (f", {limit:.2f} nats" if text else ""), text and text.after.mlm_loss, limit))
    return found


def _gate(condition: str, measured: float | None, limit: float, sign: int = 1) -> Gate:
    return Gate(condition, measured, measured is not None and sign * measured <= sign * limit, share=sign < 0)


def gates_table(record: EncoderRecord, name: str) -> Table:
    """One row for each gate: the condition, the measured value, whether it was passed."""
    rows = [
        [
            gate.condition,
            gate.value,
            "passed" if gate.passed else "not passed",
        ]
        for gate in gates(record)
    ]
    return Table(("condition", "measured", "gate"), rows, "Conditions set before the encoder was trained", name)


def gates_found(record: EncoderRecord | None) -> Notice:
    """How many of the conditions a base encoder meets, and what was measured of each.

    Args:
        record: of the last stage of general pre-training; None where the encoder is used as it was published.
    """
    title = "The base encoder"
    if record is None:
        return Notice("note", title, "No stage was added: the encoder is used as it was published.")
    found = gates(record)
    told = "; ".join(f"{gate.condition}: {gate.value}" for gate in found)
    passed = sum(gate.passed for gate in found)
    return Notice("tip", title, f"Of {len(found)} conditions on the encoder {passed} are met. {told}.")


def heads_table(texts: Sequence[TextHeads], name: str) -> Table:
    """One row for each text: both heads before and after the stage, and word counts on the same words."""
    rows = []
    for text in texts:
        rows.append(
            [
                dataset_title(text.name),
                *(nats(heads.mlm_loss) for heads in (text.before, text.after)),
                *(nats(loss) for loss in (text.unigram, text.bigram)),
                *(percent(heads.mlm_accuracy) for heads in (text.before, text.after)),
                *(percent(heads.nsp_accuracy) for heads in (text.before, text.after)),
                f"{text.counted:,}",
            ]
        )
    head = (
        "held-out text of",
        "MLM loss before",
        "after",
        "word counts",
        "neighbour counts",
        "MLM accuracy before",
        "after",
        "NSP accuracy before",
        "after",
        "wordpieces counted",
    )
    note = (
        "Losses are in nats per masked word. Words and neighbouring words are counted on other texts of the same data "
        "set, on as many wordpieces as the stage read or on all there are, with the smoothing that does best on these "
        "words. Chance for NSP is 50%."
    )
    return Table(head, rows, "The heads on held-out text", name, note)


def others_table(encoder: EncoderSpec, records: Iterable[EncoderRecord], name: str) -> Table:
    """How other published encoders do on the same kinds of text, from records of pre-trainings that began with them.

    Args:
        encoder: the page's, which is left out.
        records: of all encoders that were trained, for whatever page.
        name: target of cross-references.
    """
    rows = [
        [record.spec.name, dataset_title(text.name), nats(text.before.mlm_loss), percent(text.before.mlm_accuracy)]
        for record in records
        if record.spec.name != encoder.name and len(record.spec.stages) == 1
        for text in record.texts
    ]
    rows = rows or [["none is recorded", "–", "–", "–"]]
    head = ("published encoder", "held-out text of", "MLM loss", "MLM accuracy")
    return Table(head, sorted(rows), "Other published encoders on the same kinds of text, with their own heads", name)


def examples_table(texts: Sequence[TextHeads], name: str) -> Table:
    """Masked words of held-out text with the head's guesses; only from texts that may be quoted."""
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
    """The paper's test errors of BERT-base, fine-tuned as published, on the data sets of `errors`.

    Args:
        errors: as `stats.errors` gives them.
    """
    printed = printed_errors("table-6").loc[["BERT-FiT"]].rename({"BERT-FiT": PUBLISHED}, level="row")
    return printed[printed.index.get_level_values("column").isin(errors["dataset"].unique())]


def loss_curve(record: EncoderRecord) -> dict[str, pd.DataFrame]:
    """Summed training loss of both heads against the wordpieces read so far, as the one line of a figure.

    Args:
        record: of a pre-training.

    Returns:
        Columns read, in millions of wordpieces, and loss, in nats.
    """
    read = [step * record.cost.tokens / record.cost.steps / 1e6 for step in record.curve.steps]
    return {"": pd.DataFrame({"read": read, "loss": record.curve.losses})}
