import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from tcstudy.report.quality import of_pretrainings, split, split_of


def simulated(generator, draws, seeds, documents, draw_sd=0.0, seed_sd=0.0, rate=0.3):
    """Whether runs are wrong, (draws * seeds, documents), at rates that draws and seeds move."""
    rates = rate + draw_sd * generator.standard_normal((draws, 1)) + seed_sd * generator.standard_normal((draws, seeds))
    return generator.random((draws * seeds, documents)) < rates.reshape(-1, 1)


def test_two_seeds_by_hand():
    found = split(np.array([[1, 1, 1, 1, 0, 0], [0, 0, 0, 0, 0, 0]]), [0, 0])
    # rates 2/3 and 0 have the variance 2/9; run and document leave 1/6 of each value of the first four documents
    # unexplained and 1/3 of those of the other two
    rest = (8 * (1 / 6) ** 2 + 4 * (1 / 3) ** 2) / 5
    assert found.seed == pytest.approx(2 / 9 - rest / 6)
    assert np.isnan(found.draw)
    assert found.test == pytest.approx((2 / 9 + 0) / 2 / 5)


def test_components_are_those_of_a_nested_analysis_of_variance():
    wrong = simulated(np.random.default_rng(0), 3, 4, 50, 0.15, 0.15)
    frame = pd.DataFrame({"rate": wrong.mean(axis=1), "draw": np.repeat(range(3), 4)})
    squares = anova_lm(ols("rate ~ C(draw)", frame).fit())["mean_sq"]
    cells = pd.DataFrame(
        {"y": wrong.ravel() * 1.0, "run": np.repeat(range(12), 50), "document": np.tile(range(50), 12)}
    )
    rest = anova_lm(ols("y ~ C(run) + C(document)", cells).fit())["mean_sq"]["Residual"]
    found = split(wrong, frame["draw"])
    assert found.seed == pytest.approx(squares["Residual"] - rest / 50)
    assert found.draw == pytest.approx((squares["C(draw)"] - squares["Residual"]) / 4)


def test_components_are_found_again_on_average():
    generator = np.random.default_rng(1)
    found = [split(simulated(generator, 8, 4, 200, 0.06, 0.04), np.repeat(range(8), 4)) for _ in range(200)]
    assert np.mean([of.draw for of in found]) == pytest.approx(0.06**2, rel=0.15)
    assert np.mean([of.seed for of in found]) == pytest.approx(0.04**2, rel=0.15)
    assert np.mean([of.test for of in found]) == pytest.approx(0.3 * 0.7 / 200, rel=0.05)


def test_what_cannot_be_told_is_missing():
    single = split(np.array([[1, 0, 0, 0]]), [0])
    assert np.isnan([single.seed, single.draw]).all()
    assert single.test == pytest.approx(0.25 * 0.75 / 3)
    drawn = split(np.array([[1, 0, 0, 0], [1, 1, 0, 0]]), [0, 1])  # one seed each
    assert np.isnan(drawn.seed)
    assert drawn.draw >= 0
    assert np.isnan(list(vars(split(np.zeros((0, 0)), [])).values())).all()


def test_runs_that_diverged_are_left_out(made_up, spec):
    runs = [made_up(spec.variant({"seed": seed}), wrong) for seed, wrong in enumerate((2, None, 4))]
    assert split_of(runs) == split_of([runs[0], runs[2]])
    assert np.isnan(split_of([runs[1]]).test)


def pretrained(spec, seed, pretraining, task="imdb"):
    """A run that begins with an encoder pre-trained on the task's text with the seed `pretraining`."""
    stage = {"corpus": [{"name": task}], "recipe": {"steps": 10, "seed": pretraining}}
    return spec.variant({"seed": seed, "encoder": {"name": spec.encoder.name, "stages": [stage]}})


def test_one_pretraining_for_each_corpus_tells_no_variance(spec, made_up):
    records = [made_up(pretrained(spec, seed, 0, task)) for seed in (0, 1) for task in ("imdb", "ag_news")]
    told = of_pretrainings([*records, made_up(spec)])
    assert told.kind == "warning"
    assert told.text.startswith("The recorded runs rest on 2 further pre-trainings")
    assert "no interval includes it" in told.text


def test_the_variance_between_pretrainings_is_that_of_their_means(spec, made_up):
    wrong = {(0, 0): 2, (0, 1): 4, (1, 0): 6, (1, 1): 8}  # of ten documents, by pre-training and seed
    records = [made_up(pretrained(spec, seed, number), count) for (number, seed), count in wrong.items()]
    matrix = np.arange(10) < np.array(list(wrong.values()))[:, None]
    found = split(matrix, [0, 0, 1, 1])
    told = of_pretrainings([*records, made_up(pretrained(spec, 0, 0, "ag_news")), made_up(spec)])
    assert told.kind == "note"
    assert "In 1 cell of the records" in told.text
    assert f"standard deviation of {100 * np.sqrt(found.draw):.2f} points" in told.text
    assert f"of {100 * np.sqrt(found.seed):.2f} points between runs that start from the same one" in told.text
    assert found.draw == pytest.approx(0.16 / 2 - 0.02 / 2)


def test_of_pretrainings_with_one_run_each_only_a_bound_is_told(spec, made_up):
    records = [made_up(pretrained(spec, seed, seed), wrong) for seed, wrong in enumerate((2, 4, 6))]
    told = of_pretrainings([*records, made_up(spec)]).text
    assert "with 3 seeds on the same text, and fine-tuned once after each" in told
    found = split(np.arange(10) < np.array([[2], [4], [6]]), [0, 1, 2])
    assert f"a standard deviation of {100 * np.sqrt(found.draw):.2f} points" in told
    assert "the most that the pre-trainings can account for" in told
    assert of_pretrainings([*records, *records, made_up(spec)]).text == told  # runs that stand on two pages


def test_what_all_runs_begin_with_is_no_further_pretraining(spec, made_up):
    general = [made_up(pretrained(spec, seed, 0, "imdb")) for seed in (0, 1)]
    assert of_pretrainings(general).text.startswith("The recorded runs rest on 0 further pre-trainings")
