"""How often intervals hold the truth where one variant is five times less stable than the others: a simulation.

`python tests/report/test_coverage.py` prints what `docs/decisions/intervals.md` says.
"""

from statistics import NormalDist

import numpy as np
import pytest

from tcstudy.report.intervals import LEVEL, combined, quantile, rate, spread
from tcstudy.report.stats import reduction_values

NORMAL = NormalDist()
DOCUMENTS = 1000
STABLE, UNSTABLE = 0.007, 0.035
"""Standard deviations of a run's error rate, as shares, between draws or seeds."""
ERROR, REFERENCE = 0.13, 0.16
SETS = 4
SHARED = 0.6
"""Share of a document's difficulty, in variance, that all runs have in common."""


def wrong(mean: float, scatter: float, difficulty: np.ndarray, runs: int, generator: np.random.Generator) -> np.ndarray:
    """Whether runs get documents wrong, shape (runs, documents), at a true error rate of `mean` over all runs."""
    shift = scatter / NORMAL.pdf(NORMAL.inv_cdf(mean))  # of the threshold, for a small scatter of the rate
    threshold = NORMAL.inv_cdf(mean) * np.sqrt(1 + shift**2) + shift * generator.standard_normal((runs, 1))
    own = generator.standard_normal((runs, len(difficulty)))
    return np.sqrt(SHARED) * difficulty + np.sqrt(1 - SHARED) * own < threshold


def holds(truth: float, values: list[np.ndarray]) -> bool:
    """Whether the interval of the mean over data sets of values, shape (runs, documents) each, holds `truth`."""
    of = combined([spread(of_set).times(1 / len(values)) for of_set in values])
    return abs(of.mean - truth) <= quantile(1 - LEVEL, of) * of.error


def coverage(runs: int, repetitions: int, seed: int) -> dict[str, float]:
    """Shares of intervals that hold the truth, with so many runs of each variant.

    Returns:
        By what the interval is of: an error rate, a difference in points, a share of errors saved on one data set and
        on average over several; of the unstable variant, and of a stable one. Each is compared with a stable one.
    """
    generator = np.random.default_rng(seed)
    hits: dict[str, list[bool]] = {}
    for _ in range(repetitions):
        for name, scatter in (("stable", STABLE), ("unstable", UNSTABLE)):
            difficulty = generator.standard_normal((SETS, DOCUMENTS))
            ours = [wrong(ERROR, scatter, of_set, runs, generator) for of_set in difficulty]
            others = [wrong(REFERENCE, STABLE, of_set, runs, generator) for of_set in difficulty]
            own = rate(spread(ours[0]), runs, DOCUMENTS)
            saved = [reduction_values(*pair) for pair in zip(ours, others, strict=True)]
            found = {
                "rate": own.low <= ERROR <= own.high,
                "difference": holds(ERROR - REFERENCE, [np.subtract(ours[0], others[0], dtype=float)]),
                "share saved": holds(1 - ERROR / REFERENCE, saved[:1]),
                f"share saved, mean of {SETS} sets": holds(1 - ERROR / REFERENCE, saved),
            }
            for what, held in found.items():
                hits.setdefault(f"{what}, {name}", []).append(held)
    return {what: float(np.mean(held)) for what, held in hits.items()}


@pytest.mark.parametrize("runs", [5, 10])
def test_about_95_percent_of_the_intervals_hold_the_truth(runs):
    found = coverage(runs, repetitions=300, seed=runs)
    assert len(found) == 8
    assert all(0.91 <= share <= 0.99 for share in found.values()), found  # of 300, three standard errors around 95%


@pytest.mark.slow
@pytest.mark.parametrize("runs", [5, 10])
def test_93_to_97_percent_of_the_intervals_hold_the_truth(runs):
    found = coverage(runs, repetitions=1000, seed=runs)
    means = {what: found.pop(what) for what in [*found] if "mean of" in what}
    assert all(0.92 <= share <= 0.98 for share in found.values()), found  # 93 to 97%, of 1,000
    assert all(0.93 <= share <= 0.99 for share in means.values()), means  # of stable variants a little too careful


if __name__ == "__main__":
    for runs in (5, 10):
        for what, share in coverage(runs, repetitions=1000, seed=runs).items():
            print(f"{runs} runs, {what}: {share:.1%}")
