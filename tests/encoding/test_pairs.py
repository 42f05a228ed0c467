import itertools

import hypothesis.strategies as st
import numpy as np
from hypothesis import given

from tcstudy.encoding.pretraining import FOLLOWS, RANDOM, UNKNOWN, pairs_of


def document(*lengths, first=0):
    """Sentences of these lengths whose wordpieces are numbered through."""
    numbers = itertools.count(first)
    return [[(next(numbers), True) for _ in range(length)] for length in lengths]


def ids(segment):
    return [token for token, _ in segment]


OTHER = document(5, 5, 5, first=10_000)


def test_labels_are_balanced_and_true():
    generator = np.random.default_rng(0)
    made = [pair for _ in range(400) for pair in pairs_of(document(*[6] * 12), lambda: OTHER, 24, 0.1, generator)]
    pairs = [pair for pair in made if pair.label != UNKNOWN]  # a last sentence can be left over alone
    assert len(pairs) > 0.8 * len(made)
    assert {pair.label for pair in pairs} == {FOLLOWS, RANDOM}
    assert abs(np.mean([pair.label for pair in pairs]) - 0.5) < 4 * 0.5 / np.sqrt(len(pairs))
    for pair in pairs:
        own = [token < 10_000 for token in ids(pair.second)]
        assert all(own) if pair.label == FOLLOWS else not any(own)


def test_a_second_segment_follows_the_first_without_a_gap_unless_both_were_cut():
    for pair in pairs_of(document(3, 4, 5, 6), lambda: OTHER, 100, 0.0, np.random.default_rng(3)):
        if pair.label == FOLLOWS:
            assert ids(pair.first)[-1] + 1 == ids(pair.second)[0]


def test_a_single_sentence_trains_mlm_only():
    [pair] = pairs_of(document(9), lambda: OTHER, 24, 0.0, np.random.default_rng(0))
    assert (ids(pair.first), pair.second, pair.label) == (list(range(9)), [], UNKNOWN)


def test_without_second_segments_all_text_is_used_in_order():
    pairs = list(pairs_of(document(*[5] * 9), None, 15, 0.0, np.random.default_rng(0)))
    assert [token for pair in pairs for token in ids(pair.first)] == list(range(45))
    assert {(len(pair.first), pair.label) for pair in pairs} == {(15, UNKNOWN)}


@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=12),
    content=st.integers(5, 50),
    short=st.sampled_from([0.0, 0.1, 1.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_pairs_fit_and_never_have_an_empty_segment(lengths, content, short, seed):
    for pair in pairs_of(document(*lengths), lambda: OTHER, content, short, np.random.default_rng(seed)):
        assert 0 < len(pair.first) + len(pair.second) <= content
        assert pair.first
        assert bool(pair.second) == (pair.label != UNKNOWN)
        for segment in (pair.first, pair.second):  # contiguous text
            assert ids(segment) == list(range(ids(segment)[0], ids(segment)[0] + len(segment))) if segment else True


def test_one_document_in_ten_is_cut_short():
    generator = np.random.default_rng(0)
    short = sum(
        max(len(pair.first) + len(pair.second) for pair in pairs_of(document(*[4] * 60), None, 40, 0.1, generator)) < 40
        for _ in range(2000)
    )
    assert abs(short / 2000 - 0.1 * 38 / 39) < 0.025  # of 39 lengths, one is the full one


@given(number=st.integers(1, 60), content=st.integers(2, 12), seed=st.integers(0, 2**32 - 1))
def test_every_sentence_is_used_even_if_another_took_its_place(number, content, seed):
    """Sentences of one wordpiece fill every pair exactly, so nothing is cut."""
    own, other = document(*[1] * number), document(*[1] * 40, first=10_000)
    pairs = pairs_of(own, lambda: other, content, 0.0, np.random.default_rng(seed))
    used = [token for pair in pairs for token in ids(pair.first) + ids(pair.second) if token < 10_000]
    assert used == list(range(number))
