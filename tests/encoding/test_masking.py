import numpy as np
import pytest

from tcstudy.encoding.pretraining import mask
from tcstudy.encoding.tokens import load_vocabulary
from tcstudy.spec import EncoderSpec


@pytest.fixture
def vocabulary():
    return load_vocabulary(EncoderSpec(name="tiny"))


def test_rates_on_a_hundred_thousand_tokens(vocabulary):
    generator = np.random.default_rng(0)
    counts = dict.fromkeys(("predicted", "masked", "kept", "replaced"), 0)
    word = 7
    for _ in range(1000):
        seen, positions = mask([word] * 100, [True] * 100, 0.15, False, vocabulary, generator)
        assert len(set(positions)) == len(positions)
        assert (np.delete(seen, positions) == word).all()
        counts["predicted"] += len(positions)
        counts["masked"] += int((seen[positions] == vocabulary.mask).sum())
        counts["kept"] += int((seen[positions] == word).sum())
        counts["replaced"] += int((~np.isin(seen[positions], [vocabulary.mask, word])).sum())
    assert counts["predicted"] == 15_000  # 15% of 100,000
    # a random token is the mask or the word itself once in len(vocabulary) each; standard errors are below 0.33%
    by_chance = 0.1 / vocabulary.size
    assert counts["masked"] / 15_000 == pytest.approx(0.8 + by_chance, abs=0.012)
    assert counts["kept"] / 15_000 == pytest.approx(0.1 + by_chance, abs=0.009)
    assert counts["replaced"] / 15_000 == pytest.approx(0.1 - 2 * by_chance, abs=0.009)


def test_every_wordpiece_is_as_likely_as_any_other(vocabulary):
    generator = np.random.default_rng(1)
    chosen = np.zeros(20)
    for _ in range(4000):
        chosen[mask(range(10, 30), [True] * 20, 0.15, False, vocabulary, generator)[1]] += 1
    assert chosen.sum() == 4000 * 3
    assert chosen == pytest.approx(np.full(20, 600), abs=100)  # standard error 23


def test_whole_words_are_taken_together(vocabulary):
    generator = np.random.default_rng(2)
    begins = [True, False, False, True, True, False, True, True, True, True]
    words = [{0, 1, 2}, {3}, {4, 5}, {6}, {7}, {8}, {9}]
    for _ in range(200):
        positions = set(mask(range(10, 20), begins, 0.3, True, vocabulary, generator)[1].tolist())
        assert len(positions) >= 3
        assert all(word <= positions or not word & positions for word in words)


def test_one_at_least_is_predicted(vocabulary):
    _, positions = mask([7], [True], 0.15, False, vocabulary, np.random.default_rng(0))
    assert positions.tolist() == [0]
