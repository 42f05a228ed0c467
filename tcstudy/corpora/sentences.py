"""Sentences: cut by spaCy's sentencizer, in Chinese at full stops, question and exclamation marks (Sun 2019, 5.2)."""

import functools
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spacy.language import Language

_CHINESE = re.compile(
    r"[^。！？]*[。！？]+[”’」』）]*|[^。！？]+"
)  # closing quotes and brackets stay with their sentence


def sentences(texts: Iterable[str], language: str) -> Iterator[list[str]]:
    """The sentences of each text, none of them empty; a text without words has none.

    Args:
        texts: any number of texts; few are held at a time.
        language: ISO 639-1 code.

    >>> list(sentences(["他来了。你呢？好", "  "], "zh"))
    [['他来了。', '你呢？', '好'], []]
    """
    remaining = iter(texts)
    while some := list(itertools.islice(remaining, 500)):
        for parts in _CUTTERS.get(language, _by_sentencizer)(some, language):
            yield [sentence for part in parts if (sentence := part.strip())]


def _by_marks(texts: Sequence[str], language: str) -> list[list[str]]:
    return [_CHINESE.findall(text) for text in texts]


def _by_sentencizer(texts: Sequence[str], language: str) -> list[list[str]]:
    pipeline = _sentencizer(language)
    with pipeline.memory_zone():  # which frees words that were not seen before; else each new one stays in memory
        return [[span.text for span in document.sents] for document in pipeline.pipe(texts, batch_size=64)]


_CUTTERS = {"zh": _by_marks}


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
