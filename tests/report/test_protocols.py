import pandas as pd
import pytest

from tcstudy.report import protocols
from tcstudy.report.stats import spread_over_seeds

BASELINES = {"A, changed": "A", "B, changed": "B"}


def frame(errors):
    rows = [
        {"dataset": "imdb", "variant": variant, "seed": seed, "error": error, "documents": 10, "seconds": 1.0}
        for variant, seeds in errors.items()
        for seed, error in enumerate(seeds)
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def runs():
    lost = float("nan")
    return frame({"A": (0.2, 0.3), "A, changed": (0.1, 0.28), "B": (0.2, lost), "B, changed": (0.25, 0.1)})


def test_differences_are_paired_by_seed(runs):
    against = protocols.differences(runs, BASELINES).set_index("variant")
    assert against.loc["A, changed", ["mean", "low", "high"]].tolist() == pytest.approx([-0.06, -0.1, -0.02])
    assert against.loc["A, changed", ["pairs", "lower", "higher"]].tolist() == [2, 2, 0]
    assert against.loc["B, changed", ["mean", "low", "high"]].tolist() == pytest.approx([0.05, 0.05, 0.05])
    assert against.loc["B, changed", "pairs"] == 1  # the baseline's other seed diverged


def test_a_variant_against_itself_differs_by_nothing():
    same = frame({"A": (0.2, 0.3), "A, changed": (0.2, 0.3), "B": (0.1,), "B, changed": (0.1,)})
    against = protocols.differences(same, BASELINES)
    assert against[["mean", "low", "high"]].to_numpy().ravel().tolist() == [0.0] * 6
    text = protocols.released_found(against).text
    assert "The same with every seed: A, changed (+0.0); B, changed (+0.0)" in text


def test_the_mean_difference_is_the_difference_of_means(runs):
    against = protocols.differences(runs, BASELINES).set_index("variant")
    means = spread_over_seeds(runs).set_index("variant")["mean"]
    assert against.loc["A, changed", "mean"] == pytest.approx(means["A, changed"] - means["A"])


def test_table_and_sentences(runs):
    against = protocols.differences(runs, BASELINES)
    table = protocols.differences_table(spread_over_seeds(runs), against, "t")
    assert table.rows[0] == ["A", "IMDb", "25.0% (20.0%–30.0%)", "–", "–"]
    assert table.rows[1] == ["A, changed", "IMDb", "19.0% (10.0%–28.0%)", "-6.0 points (-10.0 to -2.0)", "2 of 2"]
    assert protocols.released_found(against).text == (
        "IMDb, in points against the clean run. Lower with every seed: A, changed (-6.0). "
        "Higher with every seed: B, changed (+5.0)."
    )
    single = protocols.released_found(against[against["variant"] == "B, changed"])
    assert single.text.endswith("With a single seed this may be chance.")


def test_nothing_that_converged_is_said():
    lost = frame({"A": (float("nan"),), "A, changed": (0.1,)})
    assert "No pair of runs converged" in protocols.released_found(protocols.differences(lost, BASELINES)).text
