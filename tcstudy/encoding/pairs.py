"""Pairs of segments for NSP, as BERT's were made (Devlin et al. 2019, A.2): consecutive, or the second one not."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tcstudy.encoding.sentences import Sentence

FOLLOWS, RANDOM, UNKNOWN = 0, 1, -100
"""Labels of the second segment: it follows the first, it is from another document, there is none."""


@dataclass(frozen=True)
class Pair:
    """Two segments of text, or one alone; without special tokens."""

    first: Sentence
    second: Sentence
    label: int


def pairs_of(
    document: Sequence[Sentence],
    other: Callable[[], Sequence[Sentence]] | None,
    content: int,
    short_sequences: float,
    generator: np.random.Generator,
) -> Iterator[Pair]:
    """Cut a document into pairs that use each of its sentences.

    Sentences are gathered until they fill the content, two at least, and are cut in two at a random sentence. For half
    of the pairs the second segment is replaced by one from another document; the sentences it replaces are used again
    in the next pair. What cannot be cut in two, such as a document of a single sentence, is a segment alone: MLM is
    trained on it, NSP is not.

    Args:
        document: its sentences.
        other: draws another document, or None where second segments are not wanted.
        content: wordpieces that both segments may have together.
        short_sequences: probability that the document is cut to pairs of a random shorter length.
        generator: the randomness.
    """
    short = generator.random() < short_sequences
    target = int(generator.integers(2, content + 1)) if short else content
    start = 0
    while start < len(document):
        end = _fill(document, start, target, at_least=1 if other is None else 2)
        if other is None or end - start == 1:
            yield Pair(_cut(_joined(document[start:end]), [], target, generator)[0], [], UNKNOWN)
            start = end
            continue
        middle = int(generator.integers(start + 1, end))
        first, second, label = _joined(document[start:middle]), _joined(document[middle:end]), FOLLOWS
        if generator.random() < 0.5:
            second, label, end = _segment(other(), max(1, target - len(first)), generator), RANDOM, middle
        yield Pair(*_cut(first, second, target, generator), label)
        start = end


def _fill(sentences: Sequence[Sentence], start: int, target: int, at_least: int) -> int:
    """Where the sentences from `start` on reach `target` wordpieces, after `at_least` of them, or end."""
    end, pieces = start, 0
    while end < len(sentences) and (pieces < target or end - start < at_least):
        pieces += len(sentences[end])
        end += 1
    return end


def _segment(document: Sequence[Sentence], target: int, generator: np.random.Generator) -> Sentence:
    """Sentences of another document from a random one on."""
    start = int(generator.integers(len(document)))
    return _joined(document[start : _fill(document, start, target, at_least=1)])


def _joined(sentences: Sequence[Sentence]) -> Sentence:
    return [piece for sentence in sentences for piece in sentence]


def _cut(first: Sentence, second: Sentence, target: int, generator: np.random.Generator) -> tuple[Sentence, Sentence]:
    """Take wordpieces off the longer segment, at either end at random, until both have `target` together.

    Both keep one at least where there are two.
    """
    spans = [[0, len(first)], [0, len(second)]]
    for front in generator.random(max(0, len(first) + len(second) - target)) < 0.5:
        longer = max(spans, key=lambda span: span[1] - span[0])
        if front:
            longer[0] += 1
        else:
            longer[1] -= 1
    (a, b), (c, d) = spans
    return first[a:b], second[c:d]
