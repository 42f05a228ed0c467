"""Where the paper, its released code and this study differ, as values, each with the comparison that measures it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import pandas as pd

from tcstudy.experiments.base_rate import rate_name
from tcstudy.report.frame import OWN, PLAIN, Selection, chosen, levels


class Pair(NamedTuple):
    """The runs of a variant and of what it is compared with; `at` says where, if a page has several such pairs."""

    one: Selection
    other: Selection
    at: str = ""


Pairs = Callable[[pd.DataFrame], Sequence[Pair]]
"""What is compared, from a table of a page's runs."""


@dataclass(frozen=True)
class Measured:
    """What tells the worth of a difference: on a page, variants against what they are compared with.

    `by` says what is told: the change of the error, or how far seeds of the first variant of each pair scatter.
    """

    page: str
    pairs: Pairs
    by: Literal["change", "scatter"] = "change"


@dataclass(frozen=True)
class Deviation:
    """One difference; what the paper, its released code and this study do, and what measures it, if anything does."""

    topic: str
    paper: str
    release: str
    here: str
    measured: Measured | None = None


CLEAN: Mapping[str, Any] = {**PLAIN, "protocol.optimizer": "adamw", "protocol.selection": "validation"}
CLEAN_PRETRAINED: Mapping[str, Any] = {
    **CLEAN,
    "pretraining.relation": OWN,
    "pretraining.protocol.masking": "dynamic",
    "pretraining.protocol.text": "train",
}
RELEASED = {"protocol.optimizer": "bertadam", "protocol.selection": "test"}
RELEASED_PRETRAINED = {"pretraining.protocol.masking": "static", "pretraining.protocol.text": "train and test"}


def _released(clean: Selection, switched: Selection) -> Measured:
    """A choice of the released code on its page: what is switched of the clean run."""
    return Measured("released_protocol", lambda runs: [Pair({**clean, **switched}, clean)])


def _without_correction(runs: pd.DataFrame) -> list[Pair]:
    made, left_out = ({"protocol.optimizer": name} for name in ("adamw", "adamw without bias correction"))
    return [
        Pair({**left_out, "training.learning_rate": rate}, {**made, "training.learning_rate": rate}, rate_name(rate))
        for rate in levels(chosen(runs, left_out), "training.learning_rate")
    ]


def _pooler(runs: pd.DataFrame) -> list[Pair]:
    return [Pair({"features.pooler": True}, {"features.depth": 1.0})]


DEVIATIONS = (
    Deviation(
        "best epoch",
        "chosen on a validation set",
        "chosen on the test file, of 3, 4 or 6 epochs",
        "chosen on a validation split that is cut from the training documents",
        _released(CLEAN, {"protocol.selection": "test"}),
    ),
    Deviation(
        "optimiser",
        "Adam with a slanted triangle",
        "BERTAdam: no bias correction, each tensor's gradient clipped by itself, a rate that jumps after the warm-up",
        "AdamW with bias correction, the gradient clipped as a whole",
        _released(CLEAN, {"protocol.optimizer": "bertadam"}),
    ),
    Deviation(
        "bias correction alone",
        "not mentioned",
        "left out at every rate",
        "made; left out on one page, at several rates",
        Measured("forgetting", _without_correction),
    ),
    Deviation(
        "masks of further pre-training",
        "not mentioned",
        "those of five passes over and over",
        "new ones at every pass",
        _released(CLEAN_PRETRAINED, {"pretraining.protocol.masking": "static"}),
    ),
    Deviation(
        "text of further pre-training",
        "the training data; of two Yelp sets, what stands in the other's test set is removed",
        "the script for AG's News writes the test documents into the corpus",
        "training texts that stand in no test split of any set of the page",
        _released(CLEAN_PRETRAINED, {"pretraining.protocol.text": "train and test"}),
    ),
    Deviation(
        "all of these, fine-tuning",
        "–",
        "as released",
        "clean",
        _released(CLEAN, RELEASED),
    ),
    Deviation(
        "all of these, with further pre-training",
        "–",
        "as released",
        "clean",
        _released(CLEAN_PRETRAINED, {**RELEASED, **RELEASED_PRETRAINED}),
    ),
    Deviation(
        "what the classifier reads",
        "the last hidden state of [CLS]",
        "BERT's pooler over it, unless layers are named",
        "the last hidden state; the pooler as a variant",
        Measured("layers", _pooler),
    ),
    Deviation(
        "seeds",
        "one, not named",
        "one, 42",
        "several, with intervals; here is how far one seed scatters (standard deviation)",
        Measured("released_protocol", lambda runs: [Pair(CLEAN, CLEAN)], by="scatter"),
    ),
    Deviation(
        "layer-wise rate",
        "falls from each layer to the one below",
        "embeddings, pooler and classifier stay at the base rate; in a variant of the script the top layer is in no "
        "group of the optimiser, so it is not trained",
        "embeddings at the base rate, or a layer below the lowest; every parameter in exactly one group",
    ),
    Deviation(
        "head+tail",
        "the first 128 and the last 382 wordpieces",
        "in one place of wordpieces, in another of words between blanks, and then cut again",
        "of wordpieces; in shorter windows the head keeps the same share",
    ),
    Deviation(
        "few examples",
        "subsets of the training data",
        "the first of the file",
        "drawn at random, stratified, several times",
    ),
    Deviation(
        "multi-task batches",
        "not described",
        "a fresh shuffled iterator at every step, tasks in proportion to their size; four tasks in the code",
        "each task passed over in order before it is shuffled anew, tasks in proportion to their size; any tasks",
    ),
    Deviation(
        "no code was released",
        "hierarchical methods, biLSTM on features, larger encoder, pre-training across domains",
        "not there",
        "written from the text; self-attention has a single hop, as no number of hops is given",
    ),
    Deviation(
        "texts in two splits",
        "not mentioned for fine-tuning",
        "–",
        "training texts that stand in the test split are dropped",
    ),
    Deviation(
        "pairs of segments",
        "as in BERT, whose script gives a single sentence a random second one",
        "–",
        "a single sentence trains masked words only",
    ),
    Deviation(
        "encoder and size",
        "BERT-base and BERT-large, complete data sets",
        "the same",
        "by profile: `paper` as the paper; `mini` a smaller encoder, shorter windows, subsets of the sets",
    ),
)

PAGES = tuple(dict.fromkeys(deviation.measured.page for deviation in DEVIATIONS if deviation.measured))
