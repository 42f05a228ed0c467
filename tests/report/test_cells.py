import pandas as pd
import pytest

from tcstudy.experiments.base import RunKey
from tcstudy.report import cells
from tcstudy.study.run import run


@pytest.fixture
def cell(errors_frame):
    def make(**given):
        return errors_frame({("imdb", "a"): {"mean": 0.1, "low": 0.05, "high": 0.25} | given}).iloc[0]

    return make


def test_an_error_stands_with_its_interval_and_its_runs(cell):
    shown = cells.error_cell(cell())
    assert shown == "10.0% (5.0–25.0)"
    compared = cell(change=-0.02, change_low=-0.03, change_high=-0.01)
    assert cells.error_cell(compared, unit="") == "10.0 (5.0–25.0); −2.0 (−3.0 to −1.0)"
    assert shown.html == '<span title="run 0a; run 0b">10.0% (5.0–25.0)</span>'
    assert '<a class="cell-runs" href="#runs" data-runs="run 0a; run 0b">' in shown.myst


def test_a_cell_tells_the_errors_of_its_runs(spec):
    record = run(spec)
    shown = cells.with_runs("a|b", [record.id], "layers").myst
    told = f"BBC News, seed {spec.seed}: {record.error_rate:.1%}"
    assert shown == f'<a class="cell-runs" href="layers.html#runs" data-runs="{told}">a\\|b</a>'


def test_a_seed_that_did_not_converge_is_said(cell):
    assert cells.error_cell(cell(diverged=1)) == "10.0% (5.0–25.0, 1 of 2 did not converge)"
    assert cells.error_cell(cell(diverged=2, mean=float("nan"))) == "did not converge"


def test_nothing_is_below_zero_by_rounding_only():
    assert cells.change_cell(-1e-9, -0.01, 0.01) == "+0.0 (−1.0 to +1.0)"
    assert cells.share_cell(-1e-9, -0.01, 0.01) == "0.0% (−1.0 to 1.0)"
    assert cells.share_cell(0.0, -0.0, 0.0) == "0.0% (0.0 to 0.0)"
    missing = float("nan")
    assert cells.change_cell(missing, missing, missing) == cells.share_cell(missing, missing, missing) == "–"


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ({"seeds": 3}, "3 seeds"),
        ({"seeds": 1}, "1 seed"),
        ({"seeds": 3, "draws": 3, "runs": 3}, "3 seeds, each with its own training documents"),
        ({"seeds": 2, "draws": 2, "runs": 4}, "2 draws of the training documents, 2 seeds each"),
        ({"seeds": 1, "draws": 3}, "3 draws of the training documents, 1 seed each"),
    ],
)
def test_over_what_means_are_taken(errors_frame, runs, said):
    assert cells.counted(errors_frame({("imdb", "a"): runs, ("imdb", "b"): runs})) == said


def test_the_note_counts_runs_documents_and_comparisons(errors_frame):
    compared = {"reference": "a", "p": 0.3}
    rows = {("imdb", "a"): {"seeds": 2}, ("imdb", "b"): {"seeds": 3} | compared, ("trec", "a"): {"documents": 1500}}
    assert cells.note(errors_frame(rows)) == (
        "Mean over 2 to 3 seeds, in brackets its 95% interval over runs and test documents (IMDb 10, TREC 1,500). "
        "After the semicolon the difference from a in points, on the same documents with the same seeds, with its 95% "
        "interval: where that holds no zero, they differ. It is a single comparison. "
        "With fewer than 3 runs none is shown. Point at a cell, or touch it, to see its runs."
    )
    rows[("trec", "c")] = {"reference": "d", "p": 0.1}
    assert "the difference from what it is compared with in points" in cells.note(errors_frame(rows))


def test_correction_for_many_comparisons_is_told_beside_them():
    told = cells.together(pd.Series([0.01, 0.04, 0.3, float("nan")]))
    assert told == (
        "Of the 3 comparisons 2 have such an interval; tested all at once, by Holm's correction, 1 would remain."
    )


def test_the_note_of_single_seeds_says_what_is_not_in_the_interval(errors_frame):
    said = cells.note(errors_frame({("imdb", "a"): {"runs": 1, "seeds": 1, "diverged": 0}}), "validation documents")
    assert said.startswith("A single seed; in brackets the 95% interval over validation documents (IMDb 10).")


def test_every_run_behind_a_cell_is_named(made_up, spec):
    records = {RunKey("imdb", "a", seed): made_up(spec.variant({"seed": seed})) for seed in (0, 1)}
    first, second = records.values()
    fold = cells.runs_behind(records, "page")
    assert fold.anchor == cells.RUNS
    assert fold.tables[0].rows == [["IMDb", "a", f"seed 0: 0.0% ({first.id}); seed 1: 0.0% ({second.id})"]]
    assert "draw 0" not in fold.markdown()
    drawn = {RunKey("imdb", "a", 0, draw): record for draw, record in enumerate(records.values())}
    assert "seed 0, draw 1: 0.0%" in cells.runs_behind(drawn, "page").tables[0].rows[0][2]
