"""Unlabelled text for further pre-training: training texts, less those that stand in a test split."""

from dataclasses import dataclass

import datasets
import numpy as np

from tcstudy.catalog.datasets import dataset_facts
from tcstudy.corpora.loading import load_source
from tcstudy.corpora.report import TextReport, TextsUsed
from tcstudy.errors import StudyError
from tcstudy.spec import PretrainingSpec, TextSpec

MOST_HELD_OUT = 500
"""Documents on which pre-training is measured and not trained: a tenth of the corpus, at most so many."""


@dataclass(frozen=True)
class Text:
    """The text of one pre-training.

    Attributes:
        train: documents to train on, column `text`.
        held_out: documents to measure MLM and NSP on, never trained on.
        language: ISO 639-1 code.
        report: where they came from and what was removed.
    """

    train: datasets.Dataset
    held_out: datasets.Dataset
    language: str
    report: TextReport


def load_text(spec: PretrainingSpec) -> Text:
    """Load the corpus of `spec`.

    Of each data set the training texts are taken, less those that stand in its own test split or in that of another set
    of the corpus or of `recipe.excluding`; as released, all training and test texts. Then `documents` of them are
    drawn.

    Raises:
        StudyError: a set cannot be had or has fewer documents than asked for; the corpus has fewer than two, or several
            languages.
    """
    languages = {dataset_facts(text.name).language for text in spec.corpus}
    if len(languages) > 1:
        raise StudyError(f"A corpus for pre-training is of one language, not of {' and '.join(sorted(languages))}.")
    removing = sorted({*spec.recipe.excluding, *(text.name for text in spec.corpus)})
    parts, used = zip(*(_texts(text, spec.recipe.protocol.text, removing) for text in spec.corpus), strict=True)
    documents = datasets.concatenate_datasets(list(parts))
    if len(documents) < 2:
        raise StudyError(f"Pre-training needs two documents at least; {', '.join(x.name for x in used)} has less.")
    held_out = max(1, min(MOST_HELD_OUT, len(documents) // 10))
    order = np.random.default_rng([0, 3]).permutation(len(documents))
    return Text(
        train=documents.select(np.sort(order[held_out:])),
        held_out=documents.select(np.sort(order[:held_out])),
        language=languages.pop(),
        report=TextReport(sets=used, held_out=held_out),
    )


def load_general_text(spec: TextSpec) -> Text:
    """Test texts of a set, all held out, for measuring what an encoder knows of general language.

    Raises:
        StudyError: the set cannot be had or has fewer test texts than asked for.
    """
    source = load_source(spec.name)
    rows = _drawn(spec, np.arange(len(source.test)), "test texts")
    texts = source.test.select_columns("text").select(rows)
    used = TextsUsed(name=spec.name, origin=source.origin, found=len(source.test), removed={}, used=len(rows))
    return Text(texts.select([]), texts, source.facts.language, TextReport(sets=(used,), held_out=len(rows)))


def _texts(spec: TextSpec, kind: str, removing: list[str]) -> tuple[datasets.Dataset, TextsUsed]:
    source = load_source(spec.name)
    if kind == "train and test":
        texts = datasets.concatenate_datasets([source.train, source.test])
        rows, removed = np.arange(len(texts)), {}
    else:
        texts, stands_in = source.train, {}
        for name in removing:
            stands_in[name] = np.isin(source.train_keys, load_source(name).test_keys)
        removed = {name: int(where.sum()) for name, where in stands_in.items() if where.any()}
        rows = np.flatnonzero(~np.any(list(stands_in.values()), axis=0))
    drawn = _drawn(spec, rows, "training texts")
    used = TextsUsed(name=spec.name, origin=source.origin, found=len(texts), removed=removed, used=len(drawn))
    return texts.select_columns("text").select(drawn), used


def _drawn(spec: TextSpec, rows: np.ndarray, kind: str) -> np.ndarray:
    if spec.documents is None:
        return rows
    if spec.documents > len(rows):
        raise StudyError(f"{spec.name}: documents asks for {spec.documents:,} {kind}, but {len(rows):,} can be used.")
    return np.sort(np.random.default_rng([spec.draw, 4]).choice(rows, spec.documents, replace=False))
