import numpy as np
import pytest
from scipy import special, stats

from tcstudy.report.intervals import Spread, estimate, rate, spread
from tcstudy.report.moderation import moderated


def of(variance, runs=3, mean=0.1):
    """The spread of a variant of `runs` runs with that variance between them, on many documents."""
    return Spread(mean, variance / runs, 1e-5, (runs - 1, 999))


def variants(generator, count, runs, documents, seed_sd, rate=0.12):
    """Whether the runs of variants of one error rate are wrong, by variant (runs, documents), on the same documents."""
    hard = generator.standard_normal(documents)
    latent = 2 * hard + generator.standard_normal((count, runs, documents))
    latent += np.reshape(seed_sd, (-1, 1, 1)) * generator.standard_normal((count, runs, 1))
    limits = stats.norm.isf(rate) * np.sqrt(5 + np.square(np.reshape(seed_sd, (-1, 1, 1))))
    return latent > limits


def test_variances_as_far_apart_as_chance_makes_them_become_their_mean_but_not_less():
    found = moderated([of(1e-4), of(3e-4), of(2e-4)])
    assert [each.of_runs * 3 for each in found] == pytest.approx([2e-4, 3e-4, 2e-4])
    assert {each.freedom[0] for each in found} == {6}  # of all three together
    assert [each.mean for each in found] == [0.1] * 3
    assert [each.of_documents for each in found] == [1e-5] * 3


def test_the_common_variance_is_found_by_the_moments_of_its_logarithm():
    generator = np.random.default_rng(0)
    prior, common, freedom = 4.0, 1e-3, 4
    variances = prior * common / generator.chisquare(prior, 4000) * generator.chisquare(freedom, 4000) / freedom
    found = moderated([of(variance, freedom + 1) for variance in variances])
    drawn = np.array([each.of_runs * (freedom + 1) for each in found])
    below = variances < 0.3 * common  # those are drawn towards the common one
    expected = (prior * common + freedom * variances[below]) / (prior + freedom)
    assert drawn[below] == pytest.approx(expected, rel=0.15)
    assert found[0].freedom[0] == pytest.approx(prior + freedom, rel=0.1)


def test_none_becomes_smaller_and_one_far_beyond_the_others_stays():
    spreads = [of(variance) for variance in (1e-6, 1e-4, 4e-4, 1e-1)]
    found = moderated(spreads)
    assert all(after.of_runs >= before.of_runs for after, before in zip(found, spreads, strict=True))
    assert found[-1].of_runs == spreads[-1].of_runs


def test_a_single_run_takes_the_variance_of_the_others():
    found = moderated([of(2e-4), of(2e-4), Spread(0.2, 0.0, 1e-5, (0, 999))])
    assert found[-1].of_runs == pytest.approx(2e-4)
    assert found[-1].freedom == (4, 999)


def test_runs_that_are_all_the_same_and_single_variants_stay_as_they_are():
    same = Spread(0.1, 0.0, 1e-5, (np.inf, 999))
    assert moderated([same, of(1e-4), of(1e-4)])[0] == same
    assert moderated([of(1e-4), same]) == [of(1e-4), same]
    assert moderated([]) == []


def test_differences_from_one_reference_count_for_less():
    spreads = [of(1e-4), of(3e-4), of(2e-4)]
    apart, shared = (moderated(spreads, names) for names in (["a", "b", "c"], ["a"] * 3))
    assert apart[0].freedom[0] == 6
    assert shared[0].freedom[0] == pytest.approx(6 / 1.5)  # each shares it with two others
    assert shared[0].of_runs == apart[0].of_runs


def test_the_inverse_of_trigamma():
    from tcstudy.report.moderation import _trigamma_inverse

    for x in (0.05, 1.0, 7.5, 300.0):
        assert _trigamma_inverse(float(special.polygamma(1, x))) == pytest.approx(x)


@pytest.mark.parametrize("seed_sd", [(0.1,) * 6, (0.05, 0.05, 0.1, 0.1, 0.2, 0.3)])
def test_moderated_intervals_cover_and_are_shorter(seed_sd):
    generator = np.random.default_rng(2)
    covered, lengths = [], []
    for _ in range(500):
        wrong = variants(generator, 6, 2, 500, seed_sd)
        spreads = [spread(matrix) for matrix in wrong]
        own, together = ([rate(each, 2, 500) for each in of] for of in (spreads, moderated(spreads)))
        covered.append([each.low <= 0.12 <= each.high for each in together])
        lengths.append([np.mean([each.high - each.low for each in of]) for of in (own, together)])
    assert 0.93 <= np.mean(covered) <= 0.975
    own, together = np.mean(lengths, axis=0)
    assert together < own


def test_moderated_p_values_of_no_effect_are_not_too_small():
    generator = np.random.default_rng(3)
    p_values = []
    for _ in range(400):
        plain, *others = variants(generator, 6, 2, 500, 0.1).astype(float)
        found = moderated([spread(other - plain) for other in others], ["plain"] * 5)
        p_values.extend(estimate(each, 2, 500).p for each in found)
    for level in (0.05, 0.2, 0.5):
        assert 0.5 * level < np.mean(np.array(p_values) < level) < level + 0.015
