"""Batches for further pre-training: documents to sentences to pairs to masked inputs (Devlin et al. 2019, A.2).

Sentences are made once for each text and vocabulary and kept on disk, memory-mapped; the stream of batches is endless
and can be entered anywhere.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import datasets
import numpy as np
import torch

from tcstudy.corpora.kept import kept_table
from tcstudy.corpora.text import Texts, sentences
from tcstudy.encoding.batches import Rectangle
from tcstudy.encoding.real_tokens import RealTokens
from tcstudy.encoding.tokens import Vocabulary
from tcstudy.errors import StudyError
from tcstudy.spec import PretrainingRecipe


def mask(
    ids: Sequence[int],
    begins: Sequence[bool],
    share: float,
    whole_word: bool,
    vocabulary: Vocabulary,
    generator: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Mask a share of the wordpieces (Devlin et al. 2019, 3.1): 80% by the mask, 10% by any token, 10% left alone.

    Args:
        ids: wordpieces without special tokens.
        begins: whether a word begins with each.
        share: of the wordpieces to predict; one at least.
        whole_word: take the wordpieces of a word together, words in random order until the share is reached.
        vocabulary: its mask, and its tokens to draw from.
        generator: the randomness.

    Returns:
        What the encoder sees, shape (wordpieces,), and the ascending positions to predict, shape (predicted,).
    """
    seen = np.array(ids)
    number = max(1, round(share * len(seen)))
    if whole_word:
        word = np.cumsum(begins)  # number of the word that each wordpiece belongs to
        order = generator.permutation(np.unique(word))
        sizes = np.array([np.count_nonzero(word == one) for one in order])
        chosen = order[: 1 + np.searchsorted(np.cumsum(sizes), number)]
        positions = np.flatnonzero(np.isin(word, chosen))
    else:
        positions = np.sort(generator.choice(len(seen), number, replace=False))
    fate = generator.random(len(positions))
    seen[positions[fate < 0.8]] = vocabulary.mask
    replaced = positions[(fate >= 0.8) & (fate < 0.9)]
    seen[replaced] = generator.integers(vocabulary.size, size=len(replaced))
    return seen, positions


Sentence = list[tuple[int, bool]]
"""A sentence's wordpieces: token id, and whether a word begins with it."""

_FEATURES = datasets.Features(
    {
        "tokens": datasets.Sequence(datasets.Sequence(datasets.Value("int32"))),
        "begins": datasets.Sequence(datasets.Sequence(datasets.Value("bool"))),
    }
)


class Sentences:
    """Documents as token ids, sentence by sentence; documents without a word are left out.

    They are read from disk one at a time, so memory does not grow with their number.
    """

    def __init__(self, documents: datasets.Dataset) -> None:
        self._documents = documents

    def __len__(self) -> int:
        return len(self._documents)

    def __getitem__(self, number: int) -> list[Sentence]:
        """The sentences of document `number`."""
        row = self._documents[int(number)]
        return [
            list(zip(tokens, begins, strict=True)) for tokens, begins in zip(row["tokens"], row["begins"], strict=True)
        ]

    def frequencies(self, size: int) -> np.ndarray:
        """How often each of `size` token ids occurs in all documents, shape (size,)."""
        counts = np.zeros(size, dtype=np.int64)
        for chunk in self._documents.data.column("tokens").chunks:
            counts += np.bincount(chunk.flatten().flatten().to_numpy(), minlength=size)
        return counts

    @classmethod
    def read(cls, texts: Texts, language: str, vocabulary: Vocabulary) -> "Sentences":
        """Cut and tokenise `texts`, or take what was made of the same texts before.

        Raises:
            StudyError: the cache folder cannot be written, or its disk is full.
        """
        datasets.disable_progress_bars()
        name = vocabulary.fingerprint(f"1:{language}", texts)

        def tokenised(batch: dict[str, list], rows: list[int]) -> dict[str, list]:
            chosen = [text for text, row in zip(batch["text"], rows, strict=True) if texts.chosen[row]]
            return _tokenised(chosen, language, vocabulary)

        def make(path: Path) -> None:
            texts.source.map(
                tokenised,
                with_indices=True,
                batched=True,
                batch_size=500,
                remove_columns=["text"],
                features=_FEATURES,
                cache_file_name=str(path),
                new_fingerprint=name,
            )

        return cls(kept_table("sentences", name, make))


def _tokenised(texts: Sequence[str], language: str, vocabulary: Vocabulary) -> dict[str, list]:
    columns: dict[str, list] = {"tokens": [], "begins": []}
    for cut in sentences(texts, language):
        encoded = vocabulary.tokenizer.encode_batch(cut, add_special_tokens=False)
        encoded = [sentence for sentence in encoded if sentence.ids]
        if encoded:
            columns["tokens"].append([sentence.ids for sentence in encoded])
            columns["begins"].append([_begins(sentence.word_ids) for sentence in encoded])
    return columns


def _begins(words: Sequence[int | None]) -> list[bool]:
    """Whether each wordpiece begins a word, from the number of the word that each belongs to."""
    return [word is None or word != before for before, word in itertools.pairwise([-1, *words])]


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


BLOCK = 256
"""Documents whose pairs are shuffled together, so that a batch holds pairs of many documents."""


@dataclass(frozen=True)
class MaskedPair:
    """A pair as the encoder sees it.

    Attributes:
        ids: token ids with special tokens, some of them masked.
        segments: 0 for the first segment with `[CLS]` and its `[SEP]`, 1 for the second.
        positions: which tokens MLM predicts.
        targets: what stood there.
        label: of NSP.
    """

    ids: list[int]
    segments: list[int]
    positions: list[int]
    targets: list[int]
    label: int

    rows = 1

    @property
    def longest(self) -> int:
        """Number of tokens."""
        return len(self.ids)

    tokens = longest


@dataclass(frozen=True, eq=False)
class PretrainingBatch(Rectangle):
    """Pairs that go through the encoder together.

    Attributes:
        token_type_ids: shape (pairs, length), padded.
        predicted: places of the predicted tokens in the flattened (pairs * length), shape (predicted,).
        targets: their true ids, shape (predicted,).
        labels: of NSP, shape (pairs,).
    """

    token_type_ids: torch.Tensor
    predicted: torch.Tensor
    targets: torch.Tensor
    labels: torch.Tensor

    def halves(self) -> list[Self]:
        """The first and the second half of its pairs; itself where there is one only."""
        cut = len(self.labels) // 2
        if not cut:
            return [self]
        place = cut * self.input_ids.shape[1]
        before = self.predicted < place
        parts = ((slice(cut), before, 0), (slice(cut, None), ~before, place))
        return [
            type(self)(
                **vars(self._rows(pairs)),
                token_type_ids=self.token_type_ids[pairs],
                predicted=self.predicted[chosen] - start,
                targets=self.targets[chosen],
                labels=self.labels[pairs],
            )
            for pairs, chosen, start in parts
        ]


class Position(NamedTuple):
    """Where the stream is: the pass over the corpus, the block of documents, the pairs taken of it."""

    epoch: int = 0
    block: int = 0
    taken: int = 0


@dataclass(frozen=True)
class PairStream:
    """The pairs of a corpus, pass after pass, each pass in a new order.

    A pair, masks included, depends on the seed, the document and the version of the pass alone: dynamic masking makes a
    new version for each pass, static masking comes back to the first after `duplication` passes. So nothing but a
    `Position` is needed to go on, and no more than a block is in memory.

    Attributes:
        documents: the corpus.
        vocabulary: of the encoder.
        recipe: lengths, masking, losses, seed.
        nsp: whether second segments are wanted: the recipe says so and the encoder's family knows them.
    """

    documents: Sentences
    vocabulary: Vocabulary
    recipe: PretrainingRecipe
    nsp: bool

    def batches(self, start: Position = Position()) -> Iterator[tuple[list[MaskedPair], Position]]:  # noqa: B008
        """The optimiser's batches from `start` on, each with the position behind it.

        Raises:
            StudyError: the corpus has no word in it.
        """
        if not len(self.documents):
            raise StudyError("Pre-training needs texts with words in them; those of the corpus have none.")
        pairs = self._from(start)
        while batch := list(itertools.islice(pairs, self.recipe.batch_size)):
            yield [pair for pair, _ in batch], batch[-1][1]

    def once(self, most: int) -> list[MaskedPair]:
        """The pairs of one pass, at most so many, in the corpus's order."""
        numbers = range(len(self.documents))
        return list(itertools.islice(itertools.chain.from_iterable(self._masked(i, 0) for i in numbers), most))

    def _from(self, start: Position) -> Iterator[tuple[MaskedPair, Position]]:
        protocol, seed = self.recipe.protocol, self.recipe.seed
        for epoch in itertools.count(start.epoch):
            version = epoch % protocol.duplication if protocol.masking == "static" else epoch
            order = np.random.default_rng([seed, 1, epoch]).permutation(len(self.documents))
            for block in range(start.block if epoch == start.epoch else 0, -(-len(order) // BLOCK)):
                members = order[block * BLOCK : (block + 1) * BLOCK]
                pairs = list(itertools.chain.from_iterable(self._masked(number, version) for number in members))
                np.random.default_rng([seed, 2, epoch, block]).shuffle(pairs)
                taken = start.taken if (epoch, block) == start[:2] else 0
                for number, pair in enumerate(pairs[taken:], start=taken + 1):
                    yield pair, Position(epoch, block, number)

    def _masked(self, number: int, version: int) -> Iterator[MaskedPair]:
        """The pairs of one document."""
        generator = np.random.default_rng([self.recipe.seed, 3, version, number])
        with_second = self.nsp and len(self.documents) > 1

        def another() -> Sequence:
            drawn = int(generator.integers(len(self.documents) - 1))
            return self.documents[drawn + (drawn >= number)]

        content = self.recipe.length - (3 if self.nsp else 2)
        other = another if with_second else None
        for pair in pairs_of(self.documents[number], other, content, self.recipe.short_sequences, generator):
            yield self._framed(pair, generator)

    def _framed(self, pair: Pair, generator: np.random.Generator) -> MaskedPair:
        """Mask a pair and set its special tokens."""
        ids, begins = zip(*pair.first, *pair.second, strict=True)
        seen, positions = np.array(ids), np.empty(0, dtype=int)
        if self.recipe.mlm:
            recipe = self.recipe
            seen, positions = mask(ids, begins, recipe.masked, recipe.whole_word, self.vocabulary, generator)
        cls, sep, split = self.vocabulary.cls, self.vocabulary.sep, len(pair.first)
        framed = [cls, *seen[:split].tolist(), sep, *seen[split:].tolist(), *([sep] if pair.second else [])]
        return MaskedPair(
            ids=framed,
            segments=[0] * (split + 2) + [1] * (len(framed) - split - 2),
            positions=[int(place) + (1 if place < split else 2) for place in positions],
            targets=[ids[place] for place in positions],
            label=pair.label,
        )


def collate_pairs(pairs: Sequence[MaskedPair], pad: int, unpadded: bool = False) -> PretrainingBatch:
    """`pairs` as one rectangle."""
    lengths = tuple(pair.longest for pair in pairs)
    length = max(lengths)

    def padded(rows: Iterator[list[int]], value: int) -> torch.Tensor:
        return torch.tensor([row + [value] * (length - len(row)) for row in rows])

    return PretrainingBatch(
        input_ids=padded((pair.ids for pair in pairs), pad),
        lengths=lengths,
        real_tokens=RealTokens.of(lengths, length) if unpadded else None,
        token_type_ids=padded((pair.segments for pair in pairs), 0),
        predicted=torch.tensor(
            [row * length + place for row, pair in enumerate(pairs) for place in pair.positions], dtype=torch.long
        ),
        targets=torch.tensor([target for pair in pairs for target in pair.targets], dtype=torch.long),
        labels=torch.tensor([pair.label for pair in pairs]),
    )
