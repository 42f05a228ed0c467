"""Splits and subsets: stratified, drawn by seed, never a prefix."""

from collections.abc import Iterable

import numpy as np

from tcstudy.catalog.keys import text_key


def stratified_sample(labels: np.ndarray, size: int, generator: np.random.Generator) -> np.ndarray:
    """Draw `size` of the rows so that each class keeps its share, to within one row (largest remainders).

    Args:
        labels: class of each row, shape (rows,).
        size: number of rows to draw, at most all.
        generator: the randomness.

    Returns:
        Ascending indices into `labels`, shape (size,).

    >>> stratified_sample(np.array([0, 0, 0, 0, 1, 1]), 3, np.random.default_rng(0)).size
    3
    """
    if not 0 <= size <= len(labels):
        raise ValueError(f"cannot draw {size} of {len(labels)} rows")
    classes, counts = np.unique(labels, return_counts=True)
    share = size * counts / max(len(labels), 1)
    quota = np.floor(share).astype(int)
    by_remainder = np.lexsort((generator.random(len(classes)), quota - share))  # ties broken by the seed
    quota[by_remainder[: size - quota.sum()]] += 1
    drawn = [
        generator.choice(np.flatnonzero(labels == label), size=number, replace=False)
        for label, number in zip(classes, quota, strict=True)
    ]
    return np.sort(np.concatenate(drawn)) if drawn else np.empty(0, dtype=int)


def text_keys(texts: Iterable[str]) -> np.ndarray:
    """The keys of many texts, shape (texts,)."""
    return np.fromiter(map(text_key, texts), dtype=np.uint64)
