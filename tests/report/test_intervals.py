import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from tcstudy.report import intervals
from tcstudy.spec import PretrainingSpec


def differing(wrong, reference):
    """The error rate of a variant minus that of `reference`, as `stats.errors` takes it."""
    return intervals.mean(np.subtract(wrong, reference, dtype=float))


def two_variants(generator, runs, documents, rate=0.12, seed_sd=0.1, own=0.7):
    """Whether runs of two variants, of the same error rate, are wrong, (2, runs, documents): documents are as hard as
    a latent normal says, partly for both variants alike; seeds move the threshold."""
    hard = np.sqrt(1 - own**2) * generator.standard_normal(documents) + own * generator.standard_normal(
        (2, 1, documents)
    )
    latent = 2 * hard + generator.standard_normal((2, runs, documents))
    latent += seed_sd * generator.standard_normal((2, runs, 1))
    return latent > stats.norm.isf(rate) * np.sqrt(4 + 1 + seed_sd**2)


def multi_bootstrap(values, generator, resamples=2000):
    """Means of `values`, shape (runs, documents), with both drawn anew with replacement (Sellam et al. 2022). With few
    runs their spread is too small: it has runs - 1 of runs of the seeds' variance."""
    runs, documents = values.shape
    of_runs = generator.multinomial(runs, np.full(runs, 1 / runs), resamples)  # (resamples, runs)
    of_documents = generator.multinomial(documents, np.full(documents, 1 / documents), resamples)
    return ((of_runs @ values.astype(np.float32)) * of_documents).sum(axis=1) / values.size


def test_the_variance_of_a_mean_by_hand():
    of = intervals.spread(np.array([[0, 1, 1], [0, 0, 1]]))
    # mean squares: runs 3 * (2/3 - 1/2)^2 * 2 = 1/6, documents 2 * (1/4 + 0 + 1/4) / 2 = 1/2, rest 1/3 / 2 = 1/6
    assert of.mean == 0.5
    assert of.of_runs == pytest.approx(1 / 6 / 6)
    assert of.of_documents == pytest.approx((1 / 2 - 1 / 6) / 6)
    assert of.error == pytest.approx(np.sqrt(1 / 12))
    assert of.freedom == (1, 2)
    assert of.times(2) == (1.0, pytest.approx(4 / 36), pytest.approx(4 / 18), (1, 2))


def test_mean_squares_are_those_of_an_analysis_of_variance():
    values = np.random.default_rng(0).random((4, 12)) < 0.4
    frame = pd.DataFrame(
        {"y": values.ravel().astype(float), "run": np.repeat(range(4), 12), "document": np.tile(range(12), 4)}
    )
    squares = anova_lm(ols("y ~ C(run) + C(document)", frame).fit())["mean_sq"]
    of = intervals.spread(values)
    assert of.of_runs * 48 == pytest.approx(squares["C(run)"])
    assert of.of_documents * 48 == pytest.approx(max(squares["C(document)"] - squares["Residual"], 0))


def test_a_single_run_is_resampled_over_documents_only():
    generator = np.random.default_rng(1)
    wrong, reference = two_variants(generator, 1, 400)
    found = differing(wrong, reference)
    paired = stats.ttest_rel(wrong[0].astype(float), reference[0].astype(float))
    assert found.p == pytest.approx(paired.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(paired.confidence_interval()))
    assert (found.runs, found.documents) == (1, 400)
    low, high = proportion_confint(wrong.sum(), 400, method="wilson")
    error = intervals.error(wrong)
    assert (error.low, error.high) == pytest.approx((low, high), abs=2e-4)
    assert error.p is None


def test_runs_without_documents_between_them_are_students_t():
    values = np.array([[0.1], [0.3], [0.4]])
    found = intervals.mean(values)
    reference = stats.ttest_1samp(values[:, 0], 0)
    assert found.p == pytest.approx(reference.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(reference.confidence_interval()))


def test_an_interval_excludes_zero_if_and_only_if_p_is_below_5_percent():
    generator = np.random.default_rng(2)
    for _ in range(200):
        wrong, reference = two_variants(generator, int(generator.integers(1, 5)), 60, seed_sd=0.3)
        found = differing(wrong, reference)
        assert (found.p < 0.05) == (not found.low <= 0 <= found.high)
        other = differing(reference, wrong)
        assert (other.mean, other.low, other.p) == pytest.approx((-found.mean, -found.high, found.p))


def test_nothing_but_right_or_no_run_at_all():
    right = intervals.error(np.zeros((2, 100), dtype=bool))
    assert (right.mean, right.low) == (0, 0)
    assert right.high == pytest.approx(proportion_confint(0, 100, method="wilson")[1], abs=2e-3)
    same = differing(np.ones((2, 9), dtype=bool), np.ones((2, 9), dtype=bool))
    assert (same.mean, same.low, same.high, same.p) == (0, 0, 0, 1)
    nothing = intervals.error(np.zeros((0, 0), dtype=bool))
    assert np.isnan([nothing.mean, nothing.low, nothing.high]).all()
    alone = intervals.mean(np.array([[0.4]]))
    assert alone.mean == 0.4
    assert np.isnan([alone.low, alone.high, alone.p]).all()


def test_a_rate_that_is_not_known_has_no_interval():
    found = intervals.rate(intervals.spread_of_runs(np.array([]), 20), 0, 20)
    assert np.isnan([found.mean, found.low, found.high]).all()


def test_a_rate_of_nothing_with_the_seeds_of_other_variants_has_an_interval():
    of = intervals.Spread(0.0, 1e-4, 0.0, (5, 99))
    low, high = proportion_confint(0, 100, alpha=2 * stats.t.sf(stats.t.isf(0.025, 5), np.inf), method="wilson")
    found = intervals.rate(of, 2, 100)
    assert (found.low, found.high) == pytest.approx((low, high))
    whole = intervals.rate(of._replace(mean=1.0), 2, 100)
    assert (whole.low, whole.high) == pytest.approx((1 - high, 1 - low))


@pytest.mark.parametrize("runs", [1, 2, 3, 5])
def test_intervals_cover_and_p_values_are_uniform(runs):
    generator = np.random.default_rng(runs)
    documents, seed_sd = (3000, 0) if runs == 1 else (500, 0.1)  # a single run has few values on few documents
    covered, p_values = [], []
    for _ in range(2000):
        wrong, reference = two_variants(generator, runs, documents, seed_sd=seed_sd)
        error, difference = intervals.error(wrong), differing(wrong, reference)
        covered.append((error.low <= 0.12 <= error.high, difference.low <= 0 <= difference.high))
        p_values.append(difference.p)
    assert np.mean(covered, axis=0) == pytest.approx((0.95, 0.95), abs=0.02)
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("runs", [2, 3, 5, 10])
@pytest.mark.parametrize(("rate", "seed_sd"), [(0.05, 0.05), (0.12, 0.2), (0.3, 0.1), (0.3, 0.02)])
def test_intervals_cover_whatever_the_seeds_do(runs, rate, seed_sd):
    generator = np.random.default_rng(0)
    covered = []
    for _ in range(3000):
        wrong, reference = two_variants(generator, runs, 1000, rate, seed_sd)
        error, difference = intervals.error(wrong), differing(wrong, reference)
        covered.append((error.low <= rate <= error.high, difference.low <= 0 <= difference.high))
    assert np.mean(covered, axis=0) == pytest.approx((0.95, 0.95), abs=0.025)  # of 3000, one standard error is 0.004


def test_with_many_runs_the_multi_bootstrap_agrees():
    generator = np.random.default_rng(3)
    wrong, _ = two_variants(generator, 40, 300, seed_sd=0.3)
    means = multi_bootstrap(wrong, generator)
    assert means.shape == (2000,)
    assert means.mean() == pytest.approx(wrong.mean(), abs=2e-3)
    found = intervals.error(wrong)
    assert np.quantile(means, (0.025, 0.975)) == pytest.approx((found.low, found.high), abs=6e-3)
    assert np.std(means) == pytest.approx(intervals.spread(wrong).error, rel=0.1)


def test_with_two_runs_the_multi_bootstrap_covers_too_little():
    generator = np.random.default_rng(4)
    covered = []
    for _ in range(150):
        wrong, _ = two_variants(generator, 2, 500, seed_sd=0.3)
        low, high = np.quantile(multi_bootstrap(wrong, generator, 500), (0.025, 0.975))
        covered.append(low <= 0.12 <= high)
    assert np.mean(covered) < 0.9


def test_means_of_several_data_sets_add_up():
    generator = np.random.default_rng(5)
    spreads = [intervals.spread(two_variants(generator, runs, 200)[0]) for runs in (2, 3)]
    together = intervals.combined(spreads)
    assert together.mean == sum(each.mean for each in spreads)
    assert together.error**2 == pytest.approx(sum(each.error**2 for each in spreads))
    assert 1 <= together.freedom[0] <= 3
    assert intervals.combined(spreads[:1]) == (*spreads[0][:3], pytest.approx(spreads[0].freedom))


def test_rates_alone_have_the_most_that_documents_can_add():
    generator = np.random.default_rng(6)
    wrong, _ = two_variants(generator, 3, 400)
    known, least = intervals.spread(wrong), intervals.spread_of_runs(wrong.mean(axis=1), 400)
    assert (least.mean, least.of_runs) == pytest.approx((known.mean, known.of_runs))
    assert least.of_documents > known.of_documents
    same = np.repeat(wrong[:1], 3, axis=0)  # every run gets the same documents wrong
    assert intervals.spread_of_runs(same.mean(axis=1), 400).error == pytest.approx(
        intervals.spread(same).error, rel=2e-3
    )


def test_holm_by_hand():
    corrected = intervals.holm([0.01, np.nan, 0.04, 0.03])
    assert corrected == pytest.approx([0.03, np.nan, 0.06, 0.06], nan_ok=True)
    assert intervals.holm([np.nan]) == pytest.approx([np.nan], nan_ok=True)


def test_holm_is_that_of_statsmodels():
    generator = np.random.default_rng(8)
    for number in (1, 2, 9):
        p_values = np.round(generator.random(number) ** 3, 2)  # with ties
        assert intervals.holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


def test_holm_finds_one_that_is_not_there_in_at_most_5_percent_of_tables():
    p_values = np.random.default_rng(7).random((2000, 8))
    found = [(intervals.holm(of_table) < 0.05).any() for of_table in p_values]
    assert np.mean(found) == pytest.approx(1 - (1 - 0.05 / 8) ** 8, abs=0.015)
    assert np.mean(p_values.min(axis=1) < 0.05) > 0.3  # without correction


def test_runs_are_paired_by_draw_and_seed(made_up, spec):
    def runs(wrong):
        return [made_up(spec.variant({"seed": seed}), number) for seed, number in wrong.items()]

    variant, reference = runs({0: 1, 1: None, 2: 3}), runs({2: 5, 0: 4, 1: 2})
    pair = intervals.paired_matrices(variant, reference)
    assert [matrix.sum(axis=1).tolist() for matrix in pair] == [[1, 3], [4, 5]]
    assert intervals.wrong_matrix(variant).shape == (2, 10)
    assert intervals.wrong_matrix(runs({0: None})).shape == (0, 0)


def test_seeds_of_one_draw_share_its_documents_and_are_a_row(made_up, spec):
    runs = [
        made_up(spec.variant({"seed": seed, "data.draw": draw}), wrong)
        for seed, draw, wrong in ((0, 0, 1), (1, 0, 3), (0, 1, 2), (1, 1, 2))
    ]
    assert intervals.wrong_matrix(runs).sum(axis=1).tolist() == [2, 2]
    assert intervals.wrong_matrix(runs)[0, :4].tolist() == [1, 0.5, 0.5, 0]
    assert intervals.wrong_matrix(runs[::2]).dtype == bool  # one seed for each draw: a row a run


def test_runs_that_share_a_pre_training_are_one_sample_of_it(spec, made_up):
    """Six draws, fine-tuned from three pre-trainings in turn, beside the published encoder."""
    stages = [
        PretrainingSpec.model_validate({"corpus": [{"name": "imdb"}], "recipe": {"steps": 5, "seed": seed}})
        for seed in range(3)
    ]
    plain = [made_up(spec.variant({"seed": seed, "data.draw": seed}), wrong=3) for seed in range(6)]
    after = [
        made_up(record.spec.variant({"encoder": record.spec.encoder.after(stages[seed % 3])}), wrong=seed % 3)
        for seed, record in enumerate(plain)
    ]
    ours, theirs = intervals.paired_matrices(after, plain)
    assert ours.shape == theirs.shape == (3, 10)
    assert ours.mean(axis=1).tolist() == [0.0, 0.1, 0.2]
    assert intervals.wrong_matrix(plain).shape == (6, 10)
    assert intervals.wrong_matrix(after[:3]).shape == (3, 10)  # one run each: nothing is shared
    one = [made_up(record.spec.variant({"encoder": record.spec.encoder.after(stages[0])})) for record in plain]
    assert intervals.wrong_matrix(one).shape == (6, 10)  # a single one is no sample of pre-trainings


@pytest.mark.parametrize(("p", "expected"), [(0.05, 2.958857), (0.5, 0.699967)])
def test_the_quantile_by_hand(p, expected):
    """Half of the variance is of runs: t with 2 and with 100 degrees of freedom, weighted by 0.5 ** (1.1 + 3 p).

    At 5%: 0.420448 * 4.302653 + 0.579552 * 1.983972; at 50%: 0.164938 * 0.816497 + 0.835062 * 0.676951.
    """
    assert intervals.quantile(p, intervals.Spread(0.0, 1.0, 1.0, (2, 100))) == pytest.approx(expected, abs=2e-6)
