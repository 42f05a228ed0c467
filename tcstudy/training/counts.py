"""Language models that only count: what an encoder that learnt anything about context should beat."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tcstudy.encoding.pretraining import MaskedPair

WEIGHTS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
"""Of the unigram counts in those of neighbours: the best one on the measured words is taken, to be hard to beat."""


@dataclass(frozen=True)
class NeighbourCounts:
    """How often tokens occur, and how often one occurs right before another.

    Attributes:
        unigrams: shape (vocabulary,).
        pairs: number of a pair of neighbours, left * vocabulary + right, ascending; shape (different pairs,).
        times: how often each occurs, shape (different pairs,).
        by_right, rights: the order of `pairs` by right token, and the right tokens in that order.
    """

    unigrams: np.ndarray
    pairs: np.ndarray
    times: np.ndarray
    by_right: np.ndarray
    rights: np.ndarray

    @classmethod
    def of(cls, documents: Iterable[Sequence[int]], vocabulary: int, most: int) -> "NeighbourCounts":
        """Count in documents of token ids, in their order, until `most` tokens were counted."""
        unigrams = np.zeros(vocabulary, dtype=np.int64)
        found = []
        left = most
        for document in documents:
            ids = np.asarray(document[:left], dtype=np.int64)
            unigrams += np.bincount(ids, minlength=vocabulary)
            found.append(ids[:-1] * vocabulary + ids[1:])
            left -= len(ids)
            if left <= 0:
                break
        pairs, times = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *found]), return_counts=True)
        rights = pairs % vocabulary
        by_right = np.argsort(rights, kind="stable")
        return cls(unigrams, pairs, times, by_right, rights[by_right])

    @property
    def counted(self) -> int:
        """Number of tokens."""
        return int(self.unigrams.sum())

    def losses(self, pairs: Iterable[MaskedPair]) -> tuple[float, float]:
        """Mean cross-entropy in nats of masked words: by unigrams, and by both neighbours as they are seen.

        A word's probability p is its count, plus one, as a share. Beside a left neighbour l it is
        (count(l, w) + k p(w)) / (count(l) + k), likewise beside a right one, and beside both the normalised product of
        these two over p(w). A neighbour that is masked was never counted and says nothing.

        Args:
            pairs: as an encoder sees them.

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
        after, before = self._right_of(left), self._left_of(right)
        gains = [(words, times / (k * smoothed[words])) for words, times in (after, before)]
        total = 1 + sum(float(smoothed[words] @ gain) for words, gain in gains)
        both, at_left, at_right = np.intersect1d(gains[0][0], gains[1][0], assume_unique=True, return_indices=True)
        total += float(smoothed[both] @ (gains[0][1][at_left] * gains[1][1][at_right]))
        factors = [1 + float(gain[words == word].sum()) for words, gain in gains]
        return smoothed[word] * factors[0] * factors[1] / total

    def _right_of(self, left: int) -> tuple[np.ndarray, np.ndarray]:
        """The words that stand right of `left`, and how often."""
        size = len(self.unigrams)
        start, end = np.searchsorted(self.pairs, [left * size, (left + 1) * size])
        return self.pairs[start:end] % size, self.times[start:end]

    def _left_of(self, right: int) -> tuple[np.ndarray, np.ndarray]:
        """The words that stand left of `right`, and how often."""
        size = len(self.unigrams)
        places = self.by_right[slice(*np.searchsorted(self.rights, [right, right + 1]))]
        return self.pairs[places] // size, self.times[places]


def _neighbours(pairs: Iterable[MaskedPair]) -> Iterator[tuple[int, int, int]]:
    """For each masked word what is seen left of it, the word, and what is seen right of it."""
    for pair in pairs:
        for place, target in zip(pair.positions, pair.targets, strict=True):
            yield pair.ids[place - 1], target, pair.ids[place + 1]
