"""Language models that only count: what an encoder that learnt anything about context should beat."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csc_array, csr_array

from tcstudy.encoding.pretraining import MaskedPair

WEIGHTS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
"""Of the unigram counts in those of neighbours: the best one on the measured words is taken, to be hard to beat."""


@dataclass(frozen=True)
class NeighbourCounts:
    """How often tokens occur, and how often one occurs right before another.

    Attributes:
        unigrams: shape (vocabulary,).
        by_left, by_right: how often a left token (row) stands before a right one (column), shape (vocabulary,
            vocabulary), by row and by column.
    """

    unigrams: np.ndarray
    by_left: csr_array
    by_right: csc_array

    @classmethod
    def of(cls, documents: Iterable[Sequence[int]], vocabulary: int, most: int) -> "NeighbourCounts":
        """Count in documents of token ids, in their order, until `most` tokens were counted."""
        unigrams = np.zeros(vocabulary, dtype=np.int64)
        found = [np.empty((2, 0), dtype=np.int64)]
        left = most
        for document in documents:
            ids = np.asarray(document[:left], dtype=np.int64)
            unigrams += np.bincount(ids, minlength=vocabulary)
            found.append(np.stack([ids[:-1], ids[1:]]))
            left -= len(ids)
            if left <= 0:
                break
        places = np.concatenate(found, axis=1)
        once = np.ones(places.shape[1], dtype=np.int64)
        by_left = coo_array((once, tuple(places)), shape=(vocabulary, vocabulary)).tocsr()  # equal pairs are added up
        return cls(unigrams, by_left, by_left.tocsc())

    @property
    def counted(self) -> int:
        """Number of tokens."""
        return int(self.unigrams.sum())

    def losses(self, pairs: Iterable[MaskedPair]) -> tuple[float, float]:
        """Mean cross-entropy in nats of masked words: by unigrams, and by both neighbours as they are seen.

        A word's probability p is its count, plus one, as a share. Beside a left neighbour l it is
        (count(l, w) + k p(w)) / (count(l) + k), likewise beside a right one, and beside both the normalised product of
        these two over p(w). A neighbour that is masked was never counted and says nothing.

        Returns:
            The two losses, the second at the weight k of `WEIGHTS` at which it is lowest. Not a number without words.
        """
        smoothed = (self.unigrams + 1) / (self.counted + len(self.unigrams))
        by_unigram, by_both = [], []
        for left, word, right in _neighbours(pairs):
            by_unigram.append(-np.log(smoothed[word]))
            by_both.append([-np.log(self._beside(left, word, right, smoothed, k)) for k in WEIGHTS])
        if not by_unigram:
            return float("nan"), float("nan")
        return float(np.mean(by_unigram)), float(np.mean(by_both, axis=0).min())

    def _beside(self, left: int, word: int, right: int, smoothed: np.ndarray, k: float) -> float:
        """The probability of `word` between its neighbours.

        Only words that were seen beside a neighbour differ from p times a constant, so the sum over the vocabulary is
        one, plus what those add.
        """
        beside = (_seen(self.by_left, left), _seen(self.by_right, right))
        gains = [(words, times / (k * smoothed[words])) for words, times in beside]
        total = 1 + sum(float(smoothed[words] @ gain) for words, gain in gains)
        both, at_left, at_right = np.intersect1d(gains[0][0], gains[1][0], assume_unique=True, return_indices=True)
        total += float(smoothed[both] @ (gains[0][1][at_left] * gains[1][1][at_right]))
        factors = [1 + float(gain[words == word].sum()) for words, gain in gains]
        return smoothed[word] * factors[0] * factors[1] / total


def _seen(counts: csr_array | csc_array, token: int) -> tuple[np.ndarray, np.ndarray]:
    """The words in the row or column of `token`, ascending, and how often each was seen there."""
    own = slice(*counts.indptr[token : token + 2])
    return counts.indices[own], counts.data[own]


def _neighbours(pairs: Iterable[MaskedPair]) -> Iterator[tuple[int, int, int]]:
    """For each masked word what is seen left of it, the word, and what is seen right of it."""
    for pair in pairs:
        for place, target in zip(pair.positions, pair.targets, strict=True):
            yield pair.ids[place - 1], target, pair.ids[place + 1]
