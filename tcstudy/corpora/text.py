"""Unlabelled text for further pre-training, less what stands in a test split; and its sentences (Sun 2019, 5.2)."""

import functools
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

import datasets
import numpy as np

from tcstudy.catalog.datasets import dataset_facts
from tcstudy.catalog.limits import held_out_of
from tcstudy.corpora.loading import load_source
from tcstudy.corpora.report import TextReport, TextsUsed
from tcstudy.errors import StudyError
from tcstudy.spec import PretrainingSpec, TextSpec

if TYPE_CHECKING:
    from spacy.language import Language

_CHINESE = re.compile(r"[^。！？]*[。！？]+[”’」』）]*|[^。！？]+")
"""A sentence; closing quotes and brackets stay with it."""


def sentences(texts: Iterable[str], language: str) -> Iterator[list[str]]:
    """The sentences of each text in `language` (ISO 639-1), none of them empty; a text without words has none.

    Few texts are held at a time.

    >>> list(sentences(["他来了。你呢？好", "  "], "zh"))
    [['他来了。', '你呢？', '好'], []]
    """
    remaining = iter(texts)
    while some := list(itertools.islice(remaining, 500)):
        for parts in map(_CHINESE.findall, some) if language == "zh" else _by_sentencizer(some, language):
            yield [sentence for part in parts if (sentence := part.strip())]


def _by_sentencizer(texts: Sequence[str], language: str) -> list[list[str]]:
    pipeline = _sentencizer(language)
    with pipeline.memory_zone():  # which frees words that were not seen before; else each new one stays in memory
        return [[span.text for span in document.sents] for document in pipeline.pipe(texts, batch_size=64)]


@functools.cache
def _sentencizer(language: str) -> "Language":
    import spacy  # slow to import

    try:
        pipeline = spacy.blank(language)
    except ImportError:  # a language that it does not know, or that needs a library of its own
        pipeline = spacy.blank("xx")
    pipeline.add_pipe("sentencizer")
    pipeline.max_length = 2**31  # the limit is meant for parsers, which this pipeline has none of
    return pipeline


@dataclass(frozen=True)
class Texts:
    """Some texts of a data set, in its order; they stay on disk, and one bit of each row is in memory.

    Selecting rows of the data set would copy what it gathers.

    Attributes:
        source: the data set, column `text`.
        chosen: whether each of its rows is one of them, shape (rows,).
    """

    source: datasets.Dataset
    chosen: np.ndarray

    def __len__(self) -> int:
        return int(np.count_nonzero(self.chosen))

    def __iter__(self) -> Iterator[str]:
        row = 0
        for batch in self.source.iter(batch_size=1000):
            for text in batch["text"]:
                if self.chosen[row]:
                    yield text
                row += 1

    @classmethod
    def at(cls, source: datasets.Dataset, rows: np.ndarray) -> Self:
        """The texts at `rows`."""
        chosen = np.zeros(len(source), dtype=bool)
        chosen[rows] = True
        return cls(source, chosen)


class Part(NamedTuple):
    """The texts of one data set: those that words are counted in, and others that an encoder is measured on."""

    name: str
    counted: Texts
    held_out: Texts


@dataclass(frozen=True)
class Text:
    """The text of one pre-training.

    Attributes:
        train: documents to train on.
        held_out: documents to measure MLM and NSP on, never trained on.
        language: ISO 639-1 code.
        report: where they came from and what was removed.
        parts: the same set by set, what is trained on being counted, and the texts of `measured_on`.
    """

    train: Texts
    held_out: Texts
    language: str
    report: TextReport
    parts: tuple[Part, ...] = ()


def load_text(spec: PretrainingSpec) -> Text:
    """Load the corpus of `spec`.

    Of each data set the training texts are taken, less those that stand in its own test split or in that of another set
    of the corpus or of `recipe.excluding`; as released, all training and test texts. Then `documents` of them are
    drawn.

    Raises:
        StudyError: a set is not available or has fewer documents than asked for; the corpus has fewer than two, or
            several languages.
    """
    languages = {dataset_facts(text.name).language for text in spec.corpus}
    if len(languages) > 1:
        raise StudyError(f"A corpus for pre-training is of one language, not of {' and '.join(sorted(languages))}.")
    removing = sorted({*spec.recipe.excluding, *(text.name for text in spec.corpus)})
    parts = [_texts(text, spec.recipe.protocol.text, removing) for text in spec.corpus]
    sources, rows, used = zip(*parts, strict=True)
    source = datasets.concatenate_datasets(list(sources))
    starts = np.cumsum([0, *map(len, sources)])
    documents = np.concatenate([start + own for start, own in zip(starts, rows, strict=False)])
    if len(documents) < 2:
        raise StudyError(f"Pre-training needs two documents at least; {', '.join(x.name for x in used)} has less.")
    held_out, train = _held_out(documents)
    language = languages.pop()
    parts = {}
    for name, own, start in zip((text.name for text in spec.corpus), sources, starts, strict=False):
        inside = [rows[(rows >= start) & (rows < start + len(own))] - start for rows in (train, held_out)]
        parts[name] = Part(name, *(Texts.at(own, rows) for rows in inside))
    parts |= {text.name: _measured(text, language) for text in spec.measured_on}
    return Text(
        train=Texts.at(source, train),
        held_out=Texts.at(source, held_out),
        language=language,
        report=TextReport(sets=used, held_out=len(held_out)),
        parts=tuple(parts.values()),
    )


def _held_out(documents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of a corpus's rows those that are held out, `held_out_of` them, and those that are not."""
    order = np.random.default_rng([0, 3]).permutation(documents)
    held_out = held_out_of(len(documents))
    return order[:held_out], order[held_out:]


def _measured(spec: TextSpec, language: str) -> Part:
    """Texts that an encoder is measured on without being trained on any of the set's.

    Of general text they are test texts, which are from other books and articles; of a task they are training texts, so
    that what a task is tested on decides nothing here.
    """
    source = load_source(spec.name)
    if source.facts.language != language:
        raise StudyError(f"measured_on: {spec.name} is in another language than the corpus, {source.facts.language}.")
    if source.facts.classes:
        held_out, counted = _held_out(_drawn(spec, source.without_tested(spec.test_from_train)[0], "training texts"))
        texts = source.train
    else:
        held_out, _ = _held_out(_drawn(spec, np.arange(len(source.test)), "test texts"))
        texts, counted = source.test, source.usable
    counting = Texts.at(source.train.select_columns("text"), counted)
    return Part(spec.name, counting, Texts.at(texts.select_columns("text"), held_out))


def load_general_text(spec: TextSpec) -> Text:
    """Test texts of a set, all held out, for measuring what an encoder knows of general language.

    Raises:
        StudyError: the set is not available or has fewer test texts than asked for.
    """
    source = load_source(spec.name)
    rows = _drawn(spec, np.arange(len(source.test)), "test texts")
    texts = source.test.select_columns("text")
    used = TextsUsed(
        name=spec.name,
        origin=source.origin,
        found=len(texts),
        removed={},
        used=len(rows),
        digest=source.test_report.digest,
    )
    none = np.empty(0, dtype=int)
    report = TextReport(sets=(used,), held_out=len(rows))
    return Text(Texts.at(texts, none), Texts.at(texts, rows), source.facts.language, report)


def _texts(spec: TextSpec, kind: str, removing: list[str]) -> tuple[datasets.Dataset, np.ndarray, TextsUsed]:
    """A set's texts, which of its rows are taken, and how they came about."""
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
        rows = np.intersect1d(rows, source.without_tested(spec.test_from_train)[0], assume_unique=True)
    drawn = _drawn(spec, rows, "training texts")
    used = TextsUsed(
        name=spec.name,
        origin=source.origin,
        found=len(texts),
        removed=removed,
        used=len(drawn),
        digest=None if kind == "train and test" else source.train_report.digest,
    )
    return texts.select_columns("text"), drawn, used


def _drawn(spec: TextSpec, rows: np.ndarray, kind: str) -> np.ndarray:
    if spec.documents is None:
        return rows
    if spec.documents > len(rows):
        raise StudyError(f"{spec.name}: documents asks for {spec.documents:,} {kind}, but {len(rows):,} can be used.")
    return np.sort(np.random.default_rng([spec.draw, 4]).choice(rows, spec.documents, replace=False))
