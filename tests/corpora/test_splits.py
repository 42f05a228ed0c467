import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from tcstudy.catalog.rows import text_key
from tcstudy.corpora.loading import stratified_sample


def test_worked_by_hand():
    labels = np.array([0] * 6 + [1] * 3 + [2])  # 5 of 10: shares 3, 1.5, 0.5; one of the last two gets the odd row
    drawn = labels[stratified_sample(labels, 5, np.random.default_rng(0))]
    counts = np.bincount(drawn, minlength=3)
    assert counts[0] == 3
    assert sorted(counts[1:]) in ([0, 2], [1, 1])


@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=60),
    share=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_class_keeps_its_share_to_within_one_row(labels, share, seed):
    labels = np.array(labels)
    size = int(share * len(labels))
    drawn = stratified_sample(labels, size, np.random.default_rng(seed))
    assert len(drawn) == size
    assert np.array_equal(drawn, np.unique(drawn))
    exact = size * np.bincount(labels, minlength=5) / len(labels)
    assert np.all(np.abs(np.bincount(labels[drawn], minlength=5) - exact) < 1)


def test_a_draw_is_no_prefix_and_depends_on_the_seed_alone():
    labels = np.repeat([0, 1], 500)
    first = stratified_sample(labels, 100, np.random.default_rng(1))
    assert np.array_equal(first, stratified_sample(labels, 100, np.random.default_rng(1)))
    assert not np.array_equal(first, stratified_sample(labels, 100, np.random.default_rng(2)))
    assert first.max() > 900


def test_more_than_there_is_is_refused():
    with pytest.raises(ValueError, match="cannot draw 3 of 2 rows"):
        stratified_sample(np.array([0, 1]), 3, np.random.default_rng(0))


def test_text_keys():
    assert text_key("It 's <b>good</b>!") == text_key("it's bgoodb")
    assert text_key("good") != text_key("bad")
    assert text_key("!!!") != text_key("???")  # nothing but punctuation is compared as it stands
    assert text_key("体育新闻。") == text_key("体育新闻")
