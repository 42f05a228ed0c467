"""Variances between few runs, each told with the help of the other variants' (Smyth 2004)."""

from collections.abc import Sequence

import numpy as np
from scipy import optimize, special

from tcstudy.report.intervals import Spread


def moderated(spreads: Sequence[Spread], references: Sequence[str] | None = None) -> list[Spread]:
    """The same means, with what runs contribute to their variance estimated from all together.

    The variances of the variants are taken to be spread around a common one like an inverse chi-square, whose degrees
    of freedom are estimated from how far they are apart. Each is drawn towards the common one, the less so the further
    apart they are, but never below its own: runs of a variant that fail now and then keep their spread.

    Args:
        spreads: of the variants of one data set, as `intervals.spread` gives them. Those whose runs are all the same
            stay as they are; one of a single run gets the variance of the others.
        references: with what each was compared. Differences from the same reference share its variance.
    """
    known = [each for each in spreads if 1 <= each.freedom[0] < np.inf and not np.isnan(each.mean)]
    if len(known) < 2:
        return list(spreads)
    freedom = np.array([each.freedom[0] for each in known])
    logs = np.log([_between_runs(each) for each in known]) - special.digamma(freedom / 2) + np.log(freedom / 2)
    excess = np.var(logs, ddof=1) - special.polygamma(1, freedom / 2).mean()
    prior = 2 * _trigamma_inverse(excess) if excess > 0 else np.inf
    if np.isinf(prior):
        common = float(np.average([_between_runs(each) for each in known], weights=freedom))
    else:
        common = float(np.exp(logs.mean() + special.digamma(prior / 2) - np.log(prior / 2)))
    together = freedom.sum() / (1 + _sharing(references) / 4)  # two such differences correlate by 1/2, variances by 1/4
    return [each if np.isinf(each.freedom[0]) else _drawn(each, prior, common, together) for each in spreads]


def _between_runs(of: Spread) -> float:
    """The variance of single runs, at least that of rounding to a document."""
    return max(of.of_runs * (of.freedom[0] + 1), 1 / (12 * (of.freedom[1] + 1) ** 2))


def _sharing(references: Sequence[str] | None) -> float:
    """With how many others a difference shares its reference, on average."""
    return float(np.mean([references.count(name) - 1 for name in references])) if references else 0.0


def _drawn(of: Spread, prior: float, common: float, together: float) -> Spread:
    """A spread with its variance between runs drawn towards `common`, which counts as `prior` degrees of freedom."""
    own, freedom = (_between_runs(of), of.freedom[0]) if of.freedom[0] else (0.0, 0.0)
    drawn = common if np.isinf(prior) else (prior * common + freedom * own) / (prior + freedom)
    known_by = max(freedom, min(prior + freedom, together))
    return of._replace(of_runs=max(drawn, own) / (of.freedom[0] + 1), freedom=(known_by, of.freedom[1]))


def _trigamma_inverse(value: float) -> float:
    """Where the trigamma function, which lies between 1/x and 1/x + 1/x², is `value`."""
    return optimize.brentq(
        lambda x: special.polygamma(1, x) - value, 1 / value, (1 + np.sqrt(1 + 4 * value)) / (2 * value)
    )
