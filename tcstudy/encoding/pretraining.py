"""Batches for further pre-training: documents to pairs to masked inputs, an endless stream to be entered anywhere."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import torch

from tcstudy.encoding.batches import Rectangle
from tcstudy.encoding.masking import mask
from tcstudy.encoding.pairs import Pair, pairs_of
from tcstudy.encoding.real_tokens import RealTokens
from tcstudy.encoding.sentences import Sentences
from tcstudy.encoding.tokens import Vocabulary
from tcstudy.errors import StudyError
from tcstudy.spec import PretrainingRecipe

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
