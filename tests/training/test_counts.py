"""Counts of neighbouring words, beside probabilities worked out over the whole vocabulary."""

import itertools

import numpy as np
import pytest

from tcstudy.encoding.pretraining import MaskedPair
from tcstudy.training.counts import WEIGHTS, NeighbourCounts

DOCUMENTS = [[5, 6, 7, 5, 6, 8], [6, 7, 9], [9]]
MASK, VOCABULARY = 4, 10


def pair(ids, positions, targets):
    return MaskedPair([2, *ids, 3], [0] * (len(ids) + 2), positions, targets, 0)


def by_hand(left, word, right, k):
    """The definition, word for word, over a dense table."""
    flat = [token for document in DOCUMENTS for token in document]
    p = (np.bincount(flat, minlength=VOCABULARY) + 1) / (len(flat) + VOCABULARY)
    table = np.zeros((VOCABULARY, VOCABULARY))
    for document in DOCUMENTS:
        for left_token, right_token in itertools.pairwise(document):
            table[left_token, right_token] += 1
    beside_left = (table[left] + k * p) / (table[left].sum() + k)
    beside_right = (table[:, right] + k * p) / (table[:, right].sum() + k)
    assert beside_left.sum() == pytest.approx(1)
    both = beside_left * beside_right / p
    return p[word], both[word] / both.sum()


def test_losses_are_those_of_the_definition():
    pairs = [pair([5, MASK, 7], [2], [6]), pair([6, MASK, 9, MASK], [2, 4], [7, 5])]
    places = [(5, 6, 7), (6, 7, 9), (9, 5, 3)]
    unigram, both = NeighbourCounts.of(DOCUMENTS, VOCABULARY, 100).losses(pairs)
    assert unigram == pytest.approx(-np.mean([np.log(by_hand(*place, 1.0)[0]) for place in places]))
    by_weight = [-np.mean([np.log(by_hand(*place, k)[1]) for place in places]) for k in WEIGHTS]
    assert both == pytest.approx(min(by_weight))


def test_a_masked_neighbour_says_nothing():
    unigram, both = NeighbourCounts.of(DOCUMENTS, VOCABULARY, 100).losses([pair([MASK, MASK, MASK], [2], [7])])
    assert both == pytest.approx(unigram)


@pytest.mark.parametrize(("most", "counted", "of_six"), [(100, 10, 3), (6, 6, 2), (8, 8, 3), (2, 2, 1)])
def test_only_so_many_tokens_are_counted(most, counted, of_six):
    counts = NeighbourCounts.of(DOCUMENTS, VOCABULARY, most)
    assert counts.counted == counted
    assert counts.unigrams[6] == of_six


def test_neighbours_help_where_words_follow_each_other():
    generator = np.random.default_rng(0)
    text = [[int(start), int(start) + 1] * 20 for start in generator.choice([4, 6, 8], size=60)]
    unigram, both = NeighbourCounts.of(text, VOCABULARY, 10_000).losses([pair([6, 7, MASK, 7], [3], [6])])
    assert both < 0.1 < unigram


def test_without_a_word_there_is_no_loss():
    assert np.isnan(NeighbourCounts.of(DOCUMENTS, VOCABULARY, 5).losses([pair([5], [], [])])).all()
