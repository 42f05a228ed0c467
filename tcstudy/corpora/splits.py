"""Splits and subsets: stratified, drawn by seed, never a prefix; and the keys by which equal texts are found."""

import hashlib
import re
from collections.abc import Iterable

import numpy as np

_NOT_ALPHANUMERIC = re.compile(r"[\W_]+")


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


def text_key(text: str) -> int:
    """64 bits, equal for two texts that differ in case, blanks and punctuation only, or are these and nothing else.

    Among two million different texts the chance that any two share a key is about one in ten million.

    >>> text_key("It 's good!") == text_key("it's  GOOD")
    True
    """
    words = _NOT_ALPHANUMERIC.sub("", text.casefold()) or text
    return int.from_bytes(hashlib.blake2b(words.encode("utf-8", "surrogatepass"), digest_size=8).digest())


def text_keys(texts: Iterable[str]) -> np.ndarray:
    """The keys of many texts, shape (texts,)."""
    return np.fromiter(map(text_key, texts), dtype=np.uint64)
