"""Where the paper, its released code and this study differ, as values, each with the comparison that measures it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import pandas as pd

from tcstudy.experiments.base_rate import rate_name
from tcstudy.report.frame import OWN, PLAIN, Selection, chosen, levels


class Pair(NamedTuple):
    """The runs of a variant and of its reference; `at` says where, if a page has several such pairs."""

    one: Selection
    other: Selection
    at: str = ""


Pairs = Callable[[pd.DataFrame], Sequence[Pair]]
"""The pairs to compare, from a table of a page's runs."""


@dataclass(frozen=True)
class Measured:
    """How a difference is measured: the page, and its variants with their references.

    `by` names the quantity: the change of the error, or the spread over seeds of the first variant of each pair.
    """

    page: str
    pairs: Pairs
    by: Literal["change", "scatter"] = "change"


@dataclass(frozen=True)
class Deviation:
    """One difference: what the paper, its released code and this study do, and how it is measured, if it is."""

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
    """A choice of the released code on its page: what it switches in the clean run."""
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
        "chosen on the test file, among 3, 4 or 6 epochs",
        "chosen on a validation split taken from the training documents",
        _released(CLEAN, {"protocol.selection": "test"}),
    ),
    Deviation(
        "optimiser",
        "Adam with slanted triangular learning rates",
        "BERTAdam: no bias correction, gradients clipped per tensor, a learning rate that jumps after the warm-up",
        "AdamW with bias correction, gradients clipped by their global norm",
        _released(CLEAN, {"protocol.optimizer": "bertadam"}),
    ),
    Deviation(
        "bias correction alone",
        "not mentioned",
        "omitted at every learning rate",
        "applied; omitted on one page, at several learning rates",
        Measured("forgetting", _without_correction),
    ),
    Deviation(
        "masks of further pre-training",
        "not mentioned",
        "static: the masks of five passes, repeated",
        "dynamic: new masks in every pass",
        _released(CLEAN_PRETRAINED, {"pretraining.protocol.masking": "static"}),
    ),
    Deviation(
        "text of further pre-training",
        "the training data; for the two Yelp data sets, without texts of the other's test set",
        "the script for AG's News writes the test documents into the corpus",
        "training texts that occur in no test split of any data set of the page",
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
        "BERT's pooler over it, unless layers are specified",
        "the last hidden state; the pooler as a variant",
        Measured("layers", _pooler),
    ),
    Deviation(
        "seeds",
        "one, not stated",
        "one, 42",
        "several, with intervals; the number here is the standard deviation over seeds",
        Measured("released_protocol", lambda runs: [Pair(CLEAN, CLEAN)], by="scatter"),
    ),
    Deviation(
        "layer-wise learning rate",
        "decays from each layer to the one below",
        "embeddings, pooler and classifier stay at the base learning rate; in a variant of the script the top layer is "
        "in no parameter group of the optimiser, so it is not trained",
        "embeddings at the base learning rate, or decayed as one layer below the lowest; every parameter in exactly "
        "one group",
    ),
    Deviation(
        "head+tail",
        "the first 128 and the last 382 wordpieces",
        "counted in wordpieces in one place, in whitespace-separated words in another, where the text is cut again",
        "counted in wordpieces; in shorter windows the head keeps the same share",
    ),
    Deviation(
        "few examples",
        "subsets of the training data",
        "the first examples of the file",
        "several stratified random draws",
    ),
    Deviation(
        "multi-task batches",
        "not described",
        "a fresh shuffled iterator at every step, tasks in proportion to their size; four tasks in the code",
        "each task runs through all its documents before they are reshuffled, tasks in proportion to their size; any "
        "tasks",
    ),
    Deviation(
        "no released code",
        "hierarchical methods, biLSTM on features, larger encoder, cross-domain pre-training",
        "missing",
        "implemented from the paper's text; self-attention has a single hop, as the paper gives no number of hops",
    ),
    Deviation(
        "duplicate texts across splits",
        "not mentioned for fine-tuning",
        "–",
        "training texts that also occur in the test split are dropped",
    ),
    Deviation(
        "pairs of segments",
        "as in BERT, whose script pairs a single sentence with a random one",
        "–",
        "a single sentence trains MLM only",
    ),
    Deviation(
        "encoder and size",
        "BERT-base and BERT-large, complete data sets",
        "the same",
        "by profile: `paper` as in the paper; `mini` a smaller encoder, shorter windows, subsets of the data sets",
    ),
)

PAGES = tuple(dict.fromkeys(deviation.measured.page for deviation in DEVIATIONS if deviation.measured))
