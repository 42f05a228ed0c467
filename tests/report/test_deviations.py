from types import SimpleNamespace

import pytest

from tcstudy.experiments import EXPERIMENTS, Forgetting, ReleasedProtocol
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
