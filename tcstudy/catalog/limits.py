"""Numbers that training works with and a plan counts with; in a module of their own, since training loads torch."""

BILSTM_UNITS = 300
"""In each direction (Lin et al. 2017)."""
MOST_HELD_OUT = 500
"""Documents on which pre-training is measured and not trained: a tenth of the corpus, at most so many."""


def held_out_of(documents: int) -> int:
    """How many of a corpus's documents are held out."""
    return max(1, min(MOST_HELD_OUT, documents // 10))


MOST_PAIRS = 500
"""Pairs of held-out text that the heads are measured on."""
