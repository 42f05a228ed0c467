from types import SimpleNamespace

import numpy as np
import pytest

from tcstudy.experiments import EXPERIMENTS, Forgetting, ReleasedProtocol
from tcstudy.experiments.base import RunKey
from tcstudy.report import deviations, intervals
from tcstudy.report.cells import change_cell
from tcstudy.report.deviations import DEVIATIONS, PAGES, Measured, deviations_found, deviations_table, worth
from tcstudy.report.frame import chosen
from tcstudy.report.measured import PageRecords
from tcstudy.report.stats import errors

DATA = [{"name": name, "train": 100, "validation": 20, "test": 10} for name in ("imdb", "trec")]
GIVEN = {"encoder": {"name": "minilm-l6-uncased"}, "data": DATA, "window": {"length": 16}, "seeds": [0, 1]}
BY_TOPIC = {one.topic: one for one in DEVIATIONS}


@pytest.fixture
def released(made_up):
    experiment = ReleasedProtocol.model_validate(GIVEN | {"pretraining": {"steps": 10}})
    runs, wrong = experiment.runs(), {"BERT-FiT": 4, "BERT-FiT, BERTAdam": 5}
    records = {key: made_up(run, wrong.get(key.variant, 3) + key.seed) for key, run in runs.items()}
    return PageRecords(runs, records)


def test_the_pages_that_measure_exist():
    assert set(PAGES) <= set(EXPERIMENTS)
    assert len(BY_TOPIC) == len(DEVIATIONS)


def test_every_choice_of_the_released_code_that_is_switched_is_told(released):
    switched = {key.variant for key in released.runs if "," in key.variant}
    told = [
        {*chosen(released.table, pair.one)["variant"]}
        for one in DEVIATIONS
        if one.measured and one.measured.page == "released_protocol" and one.measured.by == "change"
        for pair in one.measured.pairs(released.table)
    ]
    assert all(len(variants) == 1 for variants in told)
    assert set().union(*told) == switched


def test_the_worth_is_in_points_by_data_set(released):
    cell = worth(BY_TOPIC["optimiser"].measured, {"released_protocol": released})
    assert cell.startswith("IMDb: +10.0 (")
    assert "; TREC: +10.0 (" in cell
    assert 'href="released_protocol.html#runs"' in cell.myst
    assert worth(BY_TOPIC["best epoch"].measured, {"released_protocol": released}).startswith("IMDb: −10.0 (")


def test_differences_have_the_intervals_of_their_pages(released):
    cells = errors(released.records, {"BERT-FiT, BERTAdam": "BERT-FiT"}).set_index(["dataset", "variant"])
    row = cells.loc["trec", "BERT-FiT, BERTAdam"]
    told = change_cell(row["change"], row["change_low"], row["change_high"])
    assert f"TREC: {told}" in worth(BY_TOPIC["optimiser"].measured, {"released_protocol": released})


def test_seeds_scatter(released):
    cell = worth(BY_TOPIC["seeds"].measured, {"released_protocol": released})
    assert cell == "IMDb: 7.1; TREC: 7.1"  # of 40% and 50%


def test_failed_runs_are_told(made_up):
    given = GIVEN | {
        "learning_rates": [2e-5, 4e-4],
        "without_bias_correction": [4e-4],
        "every": 3,
        "general_text": {"name": "dbpedia", "documents": 10},
    }
    experiment = Forgetting.model_validate(given)
    runs = experiment.runs()
    records = {key: made_up(run, 5 if "without" in key.variant else 2) for key, run in runs.items()}
    lost = next(key for key in runs if "without" in key.variant)
    records[lost] = made_up(runs[lost], None)
    cell = worth(BY_TOPIC["bias correction alone"].measured, {"forgetting": PageRecords(runs, records)})
    first, second, third = cell.split("; ")
    assert first.startswith("IMDb: +30.0 (")
    assert second == "1 of 2 runs failed, and 0 of 2 runs of the reference"
    assert third.startswith("TREC: +30.0 (")


def test_what_cannot_be_told_is_said(released):
    measured = BY_TOPIC["optimiser"].measured
    assert worth(measured, {}) == "this profile has no parameters for the page"
    assert worth(measured, {"released_protocol": PageRecords(released.runs, {})}) == "not recorded yet"
    nothing = Measured("released_protocol", lambda variants: [])
    assert worth(nothing, {"released_protocol": released}) == "this profile does not have the variants"


def test_the_table_has_a_row_for_each_difference(released):
    table = deviations_table({"released_protocol": released}, "t")
    assert [row[0] for row in table.rows] == list(BY_TOPIC)
    assert [row[4] for row in table.rows if row[0] == "head+tail"] == ["not measured"]


def test_only_what_was_put_to_the_test_counts_as_measured(made_up):
    experiment = ReleasedProtocol.model_validate(GIVEN | {"pretraining": {"steps": 10}})
    runs = experiment.runs()

    def page(digests):
        """Records whose encoders have the digests of `digests`, by variant; others that of their variant."""
        records = {
            key: made_up(run, 3).model_copy(
                update={"provenance": SimpleNamespace(encoder_digest=digests.get(key.variant, key.variant))}
            )
            for key, run in runs.items()
        }
        return {"released_protocol": PageRecords(runs, records)}

    masks, same = BY_TOPIC["masks of further pre-training"], page({"BERT-ITPT-FiT, static masking": "BERT-ITPT-FiT"})
    assert worth(masks.measured, page({})).startswith("IMDb: +0.0 (")
    assert worth(masks.measured, same).startswith("IMDb: not tested")
    measured = sum(one.measured is not None and one.measured.page == "released_protocol" for one in DEVIATIONS)
    assert deviations_found(page({})).text.startswith(f"{measured} of")
    assert deviations_found(same).text.startswith(f"{measured - 1} of")
    assert masks.topic in deviations_found(same).text.split("Not measured: ")[1]
    all_alike = page({"BERT-ITPT-FiT, as released": "BERT-ITPT-FiT"})  # the optimiser of fine-tuning is switched, too
    assert "IMDb: +0.0 (" in worth(BY_TOPIC["all of these, with further pre-training"].measured, all_alike)
    assert deviations_found({}).text.startswith("0 of")


BASELINES = {"A, changed": "A", "B, changed": "B"}


@pytest.fixture
def records(made_up, spec):
    wrong = {"A": (4, 6), "A, changed": (2, 6), "B": (2, None), "B, changed": (3, 1)}
    return {
        RunKey("imdb", variant, seed): made_up(spec.variant({"seed": seed}), number)
        for variant, numbers in wrong.items()
        for seed, number in enumerate(numbers)
    }


@pytest.fixture
def frame(errors_frame):
    compared = {"reference": "A", "change": -0.06, "change_low": -0.1, "change_high": -0.02, "p": 0.01, "differs": True}
    open_change = {"change": 0.05, "change_low": -0.05, "change_high": 0.15, "p": 0.3}
    return errors_frame(
        {
            ("imdb", "A"): {"mean": 0.25, "low": 0.2, "high": 0.3},
            ("imdb", "A, changed"): {"mean": 0.19, "low": 0.1, "high": 0.28} | compared,
            ("imdb", "B, changed"): {"reference": "B"} | open_change,
        }
    )


def test_differences_are_paired_by_seed(records):
    against = deviations.differences(errors(records, BASELINES)).set_index("variant")
    assert against.index.tolist() == list(BASELINES)
    assert against["mean"].to_dict() == pytest.approx(
        {"A, changed": -0.1, "B, changed": 0.1}
    )  # B's other seed diverged


def test_one_comparison_has_the_interval_of_its_paired_differences(records):
    two = {key: record for key, record in records.items() if key.variant.startswith("A")}
    [row] = deviations.differences(errors(two, BASELINES)).to_dict("records")
    wrong = [np.array([two["imdb", name, seed, 0].test.wrong for seed in (0, 1)]) for name in ("A, changed", "A")]
    found = intervals.mean(np.subtract(*wrong, dtype=float))
    assert (row["mean"], row["low"], row["high"], row["p"]) == pytest.approx(
        (found.mean, found.low, found.high, found.p)
    )


def test_a_variant_against_itself_differs_by_nothing(records):
    plain = {key: record for key, record in records.items() if key.variant in ("A", "B")}
    same = {key._replace(variant=f"{key.variant}, changed"): record for key, record in plain.items()}
    found = errors(plain | same, BASELINES)
    assert deviations.differences(found)[["mean", "low", "high"]].to_numpy().ravel().tolist() == [0.0] * 6
    text = deviations.released_found(found).text
    assert "Identical on every document: A, changed (0.0); B, changed (0.0)." in text


def test_table_and_sentences(frame):
    table = deviations.differences_table(frame, "t")
    assert table.rows == [
        ["A", "IMDb", "25.0% (20.0–30.0)"],
        ["A, changed", "IMDb", "19.0% (10.0–28.0); −6.0 (−10.0 to −2.0)"],
        ["B, changed", "IMDb", "20.0% (10.0–30.0); +5.0 (−5.0 to +15.0)"],
    ]
    assert "Of the 2 comparisons 1 have such an interval" in table.note
    assert deviations.released_found(frame).text == (
        "IMDb, in points against the clean run. Significantly lower: A, changed (−6.0). "
        "No significant difference: B, changed (+5.0)."
    )
    assert "Significantly higher: A, changed (+6.0)." in deviations.released_found(frame.assign(change=0.06)).text
    single = deviations.released_found(frame.assign(runs=1))
    assert single.text.endswith("These are runs of a single seed; another seed may give other errors.")


def test_nothing_that_converged_is_said(records, made_up):
    lost = {key: made_up(record.spec, wrong=None) for key, record in records.items()}
    assert "No pair of runs converged" in deviations.released_found(errors(lost, BASELINES)).text
