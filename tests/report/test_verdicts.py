from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcstudy.catalog.profiles import PROFILES
from tcstudy.publish.parameters import read_parameters
from tcstudy.report import effect_figures, verdict_tables
from tcstudy.report.claim_rules import Part
from tcstudy.report.claims import CLAIMS
from tcstudy.report.contrasts import Effect, saves
from tcstudy.report.measured import PageRecords
from tcstudy.report.verdicts import FAILS, HOLDS, OPEN, Finding, corrected, decide, verdict, whole

PARAMS = Path(__file__).parents[2] / "params"
MINI = PROFILES["mini"]
GAIN = Part("a against b", saves("a", "b"))
NO_GAIN = replace(GAIN, gain=False)
BY_NUMBER = {claim.number: claim for claim in CLAIMS}


def effect(low, mean, high, runs=3, p=0.001):
    return Effect(mean, low, high, 0.0, p, runs, 100, ("imdb",))


@pytest.fixture
def page(made_up):
    """Makes the records of a page of `mini`: the number of wrong documents of ten, by variant; others two."""

    def make(name, wrong=None):
        experiment = read_parameters(PARAMS / "mini" / f"{name}.yaml").experiment
        runs = experiment.runs()
        records = {key: made_up(run, (wrong or {}).get(key.variant, 2)) for key, run in runs.items()}
        return PageRecords(runs, records, experiment.compared())

    return make


@pytest.mark.parametrize(
    ("interval", "gain", "no_gain"),
    [
        ((0.01, 0.05, 0.09), HOLDS, FAILS),
        ((-0.01, 0.05, 0.09), OPEN, OPEN),
        ((-0.05, -0.02, 0.01), FAILS, HOLDS),
        ((0.005, 0.01, 0.015), FAILS, HOLDS),  # surely a gain, and surely none that counts
        ((0.005, 0.015, 0.025), OPEN, OPEN),
    ],
)
def test_a_decision_follows_from_the_interval(interval, gain, no_gain):
    assert decide(GAIN, effect(*interval))[0] == gain
    assert decide(NO_GAIN, effect(*interval))[0] == no_gain
    assert decide(GAIN, effect(*interval, runs=1))[0] == OPEN


@given(st.tuples(*[st.floats(-1, 1)] * 3).map(sorted))
def test_a_claim_and_its_opposite_never_both_hold(interval):
    decisions = [decide(part, effect(*interval))[0] for part in (GAIN, NO_GAIN)]
    assert sorted(decisions) in ([FAILS, HOLDS], [OPEN, OPEN])


@pytest.mark.parametrize(
    ("parts", "decision"),
    [([HOLDS, HOLDS], HOLDS), ([HOLDS, OPEN], OPEN), ([HOLDS, FAILS], FAILS), ([OPEN, FAILS], FAILS)],
)
def test_a_claim_is_as_good_as_its_worst_part(parts, decision):
    assert whole(parts) == decision


def test_one_of_many_comparisons_against_a_claim_may_be_chance():
    failing, fine = (Finding(GAIN, effect(-0.05, -0.02, 0.01, p=p), None, FAILS, "a loss") for p in (0.03, 0.5))
    assert corrected([failing])[0].decision == FAILS
    together = corrected([failing, replace(fine, decision=OPEN), Finding(GAIN, None, None, OPEN, "missing")])
    assert [finding.decision for finding in together] == [OPEN, OPEN, OPEN]
    assert together[0].reason == "among so many comparisons of one claim this may be chance"


def test_a_method_that_makes_no_errors_beats_all_others(page):
    found = verdict(BY_NUMBER[1], page("long_texts", {"head+tail": 0}), MINI)
    assert found.decision == HOLDS
    assert [finding.effect.mean for finding in found.findings] == [1.0] * 5
    assert found.findings[0].paper == pytest.approx((5.63 - 5.42) / 5.63)


def test_one_comparison_decides_against_a_claim(page):
    found = verdict(BY_NUMBER[1], page("long_texts", {"head+tail": 2, "tail-only": 4, "head-only": 2}), MINI)
    assert found.decision == FAILS
    assert found.deciding.part.label == "head+tail against head-only, IMDb"
    assert found.deciding.effect.mean == 0


def test_no_gain_is_a_finding(page):
    assert verdict(BY_NUMBER[3], page("layers"), MINI).decision == HOLDS
    assert verdict(BY_NUMBER[3], page("layers", {"last third mean": 0}), MINI).decision == FAILS


def test_under_smoke_nothing_is_decided(page):
    pages = {claim.page: page(claim.page, {"head+tail": 0}) for claim in CLAIMS}
    verdicts = [verdict(claim, pages[claim.page], PROFILES["smoke"]) for claim in CLAIMS]
    assert {found.decision for found in verdicts} == {OPEN}
    assert verdicts[0].deciding.effect.mean == 1.0  # effects are shown all the same
    assert verdicts[0].reason == "the profile smoke decides nothing"


def test_a_claim_waits_for_all_of_its_runs(page):
    complete = page("long_texts", {"head+tail": 0})
    partly = PageRecords(complete.runs, dict(list(complete.records.items())[:-1]))
    found = verdict(BY_NUMBER[1], partly, MINI)
    assert found.decision == OPEN
    seeds = len({key.seed for key in complete.runs})
    assert found.reason == f"1 of {2 * seeds} runs are not recorded"
    assert verdict(BY_NUMBER[1], None, MINI).reason == "this profile has no parameters for the page"


def test_a_variant_with_a_missing_run_moderates_none(page):
    whole_page = page("long_texts")
    key = next(key for key in whole_page.runs if key.variant == "tail-only")
    records = {other: record for other, record in whole_page.records.items() if other != key}
    partly = PageRecords(whole_page.runs, records)
    assert whole_page.complete == whole_page.records
    assert partly.complete == {other: record for other, record in records.items() if other.variant != "tail-only"}


def test_data_sets_that_a_profile_does_not_have_leave_a_claim_open(page):
    found = verdict(BY_NUMBER[10], page("domains"), MINI)
    assert {finding.reason for finding in found.findings} == {
        "this profile does not have Yelp P. on IMDb",
        "this profile does not have Yelp F. on IMDb",
        "this profile does not have Yelp P.",
        "this profile does not have Yelp F.",
    }


def test_a_data_set_of_its_own_kind_has_no_in_domain_text(page):
    harms, helps = verdict(BY_NUMBER[9], page("comparison", {"BERT-FiT": 0}), MINI).findings
    assert harms.decision == HOLDS
    assert helps.reason == "on TREC, BERT-IDPT-FiT and BERT-ITPT-FiT are the same runs"
    found = verdict(BY_NUMBER[7], page("comparison"), MINI)
    assert found.findings[0].effect.datasets == ("imdb", "rotten_tomatoes", "ag_news", "dbpedia")


def test_a_verdict_is_told_with_what_it_hangs_on(page):
    verdicts = [
        verdict(BY_NUMBER[1], page("long_texts", {"head+tail": 0}), MINI),
        verdict(BY_NUMBER[3], page("layers", {"last third mean": 0}), MINI),
        verdict(BY_NUMBER[10], None, MINI),
    ]
    assert verdict_tables.verdicts_found(verdicts).text == (
        "Of the paper's 3 claims, 1 holds: 1; 1 does not hold: 3; 1 is not decided here: 10."
    )
    first, second, last = verdict_tables.verdicts_table(verdicts, "t").rows
    assert first[4] == "100.0% (100.0 to 100.0)"
    assert second[2:] == ["last third mean against the last layer", "-0.4%", "100.0% (100.0 to 100.0)", FAILS]
    assert 'href="layers.html#runs" title="runs ' in second[4].myst
    assert (
        second[1].myst
        == "{doc}`Joining the last third of the layers (four of twelve) gains nothing over the last. <layers>`"
    )
    assert last[2:] == ["–", "–", "–", "not decided here: this profile has no parameters for the page"]
    assert len(verdict_tables.comparisons_table(verdicts, "t").rows) == 8


def test_every_effect_stands_on_the_axis(page):
    verdicts = [verdict(BY_NUMBER[1], page("long_texts", {"head+tail": 0}), MINI), verdict(BY_NUMBER[10], None, MINI)]
    rows = verdict_tables.headlines(verdicts)
    assert rows["label"].tolist() == ["1. head+tail beats every other way", "10. IMDb and Yelp do not help each other"]
    assert rows["decision"].tolist() == [HOLDS, OPEN]
    assert np.isnan(rows.loc[1, ["mean", "paper"]].astype(float)).all()
    figure, ax = plt.subplots()
    effect_figures.effects(ax, rows)
    dots = {line.get_label(): line.get_xydata() for line in ax.get_lines()}
    assert dots["holds"].tolist() == [[1.0, 0.0]]
    assert dots["the paper"][0].tolist() == [rows.loc[0, "paper"], 0.0]
    plt.close(figure)


def test_what_falls_short_in_the_paper_is_told():
    text = verdict_tables.papers_own(CLAIMS).text
    assert "claim 1, head+tail against tail-only, IMDb: 0.4%, claimed is at least 2%" in text
    assert "claim 5, decay 0.95 against none at the base rate: 0.4%, claimed is at least 1%" in text
    assert "head-only" not in text
