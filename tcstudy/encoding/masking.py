"""Masked language modelling: which wordpieces are predicted, and what the encoder sees in their place."""

from collections.abc import Sequence

import numpy as np

from tcstudy.encoding.tokens import Vocabulary


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
