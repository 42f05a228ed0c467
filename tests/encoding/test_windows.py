import hypothesis.strategies as st
import pytest
from hypothesis import given

from tcstudy.encoding.documents import fractions, spans
from tcstudy.encoding.tokens import Vocabulary, load_vocabulary
from tcstudy.experiments.long_texts import METHODS
from tcstudy.spec import EncoderSpec, WindowSpec

CLS, SEP = 101, 102
lengths = st.integers(0, 300)
windows = st.builds(WindowSpec, method=st.sampled_from(METHODS), length=st.integers(8, 80))


def reference(ids: list[int], method: str, window: int) -> list[list[int]]:
    """The paper's 5.3.1 in plain list arithmetic, written without looking at the package."""
    room = window - 2
    if len(ids) <= room:
        pieces = [ids]
    elif method == "head-only":
        pieces = [ids[:room]]
    elif method == "tail-only":
        pieces = [ids[-room:]]
    elif method == "head+tail":
        head = window * 128 // 512
        pieces = [ids[:head] + ids[-(room - head) :]]
    else:
        pieces, rest = [], ids
        while rest:
            pieces, rest = [*pieces, rest[:room]], rest[room:]
    return [[CLS, *piece, SEP] for piece in pieces]


def test_the_papers_numbers_at_512():
    text = 1000
    assert spans(text, WindowSpec(method="head-only")) == [[(0, 510)]]
    assert spans(text, WindowSpec(method="tail-only")) == [[(490, 1000)]]
    assert spans(text, WindowSpec(method="head+tail")) == [[(0, 128), (618, 1000)]]  # first 128 and last 382
    assert spans(text, WindowSpec(method="hierarchical max")) == [[(0, 510)], [(510, 1000)]]


@pytest.mark.parametrize("length", [64, 128, 256])
def test_head_and_tail_keep_their_proportion_at_smaller_windows(length):
    [[(_, head), (start, end)]] = spans(1000, WindowSpec(method="head+tail", length=length))
    assert head == length * 128 // 512
    assert head + (end - start) == length - 2


@given(length=lengths, window=windows)
def test_a_text_that_fits_is_the_same_under_every_method(length, window):
    if length <= window.content:
        assert spans(length, window) == [[(0, length)]]


@given(length=lengths, window=windows)
def test_no_window_is_overfull_and_no_wordpiece_is_seen_twice(length, window):
    pieces = fractions(list(range(1000, 1000 + length)), window, CLS, SEP)
    seen = [token for piece in pieces for token in piece[1:-1]]
    assert all(len(piece) <= window.length and piece[0] == CLS and piece[-1] == SEP for piece in pieces)
    assert seen == sorted(set(seen))
    if window.method.startswith("hierarchical"):
        assert seen == list(range(1000, 1000 + length))
    else:
        assert len(pieces) == 1
        assert len(seen) == min(length, window.content)


@given(ids=st.lists(st.integers(200, 30_000), max_size=300), window=windows)
def test_equal_to_an_independent_reference(ids, window):
    assert fractions(ids, window, CLS, SEP) == reference(ids, window.method, window.length)


@pytest.mark.slow
@pytest.mark.parametrize("length", [512, 128])
def test_equal_to_the_reference_on_fifty_real_reviews(real_data, real_wheels, length):
    import pandas as pd

    reviews = pd.read_parquet(real_data / "imdb" / "test.parquet")["text"].sample(50, random_state=0)
    vocabulary: Vocabulary = load_vocabulary(EncoderSpec(name="minilm-l6-uncased"))
    for ids in vocabulary.encode(reviews):
        for method in METHODS:
            window = WindowSpec(method=method, length=length)
            assert fractions(ids, window, CLS, SEP) == reference(ids, method, length)
