import numpy as np
import pytest

from tcstudy.experiments.base import RunKey
from tcstudy.report import intervals
from tcstudy.report.quality import beside_error


def cells_of(made_up, spec, wrong):
    records = {
        RunKey("imdb", "a", seed, draw): made_up(spec.variant({"seed": seed, "data.draw": draw}), number)
        for (seed, draw), number in wrong.items()
    }
    fold = beside_error(records, "page")
    assert fold.anchor == "beside-error"
    return dict(zip(fold.table.head, fold.table.rows[0], strict=True))


def test_a_row_by_hand(made_up, spec):
    row = cells_of(made_up, spec, {(0, 0): 2, (1, 0): 4})
    found = intervals.error(np.arange(10) < np.array([[2], [4]]))
    assert row["error"] == f"30.0% ({100 * found.low:.1f}–{100 * found.high:.1f})"
    assert row["macro-F1"].startswith("70.0% (")  # as many of both classes are wrong, so it is the accuracy
    assert row["calibration error"].startswith("30.0% (")  # sure of all
    # test documents: (0.2 * 0.8 + 0.4 * 0.6) / 2 / 9 is 0.149 squared
    assert row["test documents"] == "14.9"
    # seeds: rates 0.2 and 0.4 have the variance 0.02, less what chance adds
    wrong = np.arange(10) < np.array([[2], [4]])
    rest = wrong - wrong.mean(axis=0) - wrong.mean(axis=1, keepdims=True) + 0.3
    assert row["seed"] == f"{100 * np.sqrt(0.02 - np.sum(rest**2) / 9 / 10):.1f}"
    assert row["draw"] == "–"


def test_one_seed_tells_neither_seeds_nor_draws(made_up, spec):
    row = cells_of(made_up, spec, {(0, 0): 3})
    assert (row["seed"], row["draw"]) == ("–", "–")
    assert row["test documents"] == f"{100 * np.sqrt(0.21 / 9):.1f}"


def test_a_cell_without_a_run_that_converged_has_dashes(made_up, spec):
    row = cells_of(made_up, spec, {(0, 0): None})
    assert [*row.values()][2:] == ["–"] * 6


@pytest.mark.parametrize("name", ["error", "macro-F1", "calibration error"])
def test_a_cell_shows_its_runs(made_up, spec, name):
    assert f"runs {spec.id}" in cells_of(made_up, spec, {(0, 0): 1})[name].html
