"""Where the variance of a run's error rate comes from: its seed, its draw of training documents, its test documents."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tcstudy.study.record import Record


@dataclass(frozen=True)
class Split:
    """Variances of the error rate of one run, which add up; not a number where there is nothing to tell them by.

    Attributes:
        seed: by another seed, which orders the documents and begins the classifier anew.
        draw: by another draw of the training documents.
        test: by as many other test documents.
    """

    seed: float
    draw: float
    test: float


def split(wrong: np.ndarray, draws: Sequence[int]) -> Split:
    """The variance components of a two-way layout, of runs and documents, with seeds nested in draws.

    Args:
        wrong: shape (runs, documents), one row for each run.
        draws: the draw of each row. Rows of one draw differ by seed.
    """
    runs, documents = wrong.shape
    if not wrong.size:
        return Split(np.nan, np.nan, np.nan)
    rates = wrong.mean(axis=1)  # (runs,)
    test = float(np.mean(rates * (1 - rates)) / max(documents - 1, 1))
    if runs == 1:
        return Split(np.nan, np.nan, test)
    groups = [rates[np.asarray(draws) == draw] for draw in dict.fromkeys(draws)]
    within = sum(len(group) - 1 for group in groups)
    between = len(groups) - 1
    chance = _rest(wrong) / documents  # by which rates differ because every run gets some other documents wrong
    seeds = sum(np.sum((group - group.mean()) ** 2) for group in groups) / within if within else np.nan
    if not between:
        return Split(max(seeds - chance, 0.0), np.nan, test)
    size = (runs - sum(len(group) ** 2 for group in groups) / runs) / between  # of a draw, where they differ
    of_draws = sum(len(group) * (group.mean() - rates.mean()) ** 2 for group in groups) / between
    draw = max(of_draws - (seeds if within else chance), 0.0) / size
    return Split(max(seeds - chance, 0.0) if within else np.nan, float(draw), test)


def _rest(wrong: np.ndarray) -> float:
    """The mean square of what neither run nor document explains."""
    runs, documents = wrong.shape
    values = wrong.astype(float)
    rest = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
    return float(np.sum(rest**2) / ((runs - 1) * max(documents - 1, 1)))


def split_of(records: Sequence[Record]) -> Split:
    """`split` of the runs of one cell that did not diverge."""
    tested = [record for record in records if record.test]
    wrong = np.stack([record.test.wrong for record in tested]) if tested else np.zeros((0, 0))
    return split(wrong, [record.spec.data.draw for record in tested])
