from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as stats_of_scipy

from tcstudy.catalog.profiles import PROFILES
from tcstudy.publish.parameters import experiments_of, read_parameters
from tcstudy.report import (
    cost,
    deviations,
    effect_figures,
    forgetting,
    pretraining,
    rates,
    reproduction_tables,
    stats,
    verdict_tables,
)
from tcstudy.report.claim_rules import FAILING, Part, gains, saves
from tcstudy.report.claims import CLAIMS, PAGES, Claim
from tcstudy.report.frame import every_column, of_variants
from tcstudy.report.measured import Effect, PageRecords, pages_of
from tcstudy.report.verdicts import FAILS, HOLDS, OPEN, UNTESTED, decide, verdict, whole
from tcstudy.spec import RunSpec
from tcstudy.training.outcome import HeadQuality

ROOT = Path(__file__).parents[2]
MINI = PROFILES["mini"]
GAIN = Part("a against b", {}, saves("a", "b"))
NO_GAIN = replace(GAIN, gain=False)
BY_NUMBER = {claim.number: claim for claim in CLAIMS}


def effect(low, mean, high, runs=3):
    return Effect(mean, low, high, 0.001, runs, 100, ("imdb",))


@pytest.fixture
def page(made_up, took):
    """Makes the records of a page of `mini`: the number of wrong documents of ten, by variant; others nine.

    `seeds` are those of the page if none are given; `heads` what of the records of encoders is otherwise than took.
    """

    def make(name, wrong=None, heads=None, seeds=None, profile="mini"):
        experiment = read_parameters(ROOT / "params" / profile / f"{name}.yaml").experiment
        runs = (experiment.model_copy(update={"seeds": seeds}) if seeds else experiment).runs()
        records = {key: made_up(run, (wrong or {}).get(key.variant, 9)) for key, run in runs.items()}
        made = {part for run in runs.values() if isinstance(run, RunSpec) for part in run.encoder.made_on_the_way()}
        return PageRecords(runs, records, {encoder: took(encoder, **(heads or {})) for encoder in made}, 2e-4)

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
    few = decide(GAIN, effect(*interval, runs=2))
    assert few == (OPEN, "2 runs of each; fewer than 3 decide nothing")


@pytest.mark.parametrize(("failed", "runs", "decision"), [(3, 5, OPEN), (5, 5, OPEN), (6, 6, HOLDS), (0, 5, OPEN)])
def test_runs_fail_more_often_than_not_if_the_exact_interval_says_so(failed, runs, decision):
    """Of five runs that all fail the interval begins at 47.8%: as many could fail by the toss of a coin."""
    share = stats_of_scipy.binomtest(failed, runs)
    interval = share.proportion_ci(0.95)
    part = replace(GAIN, smallest=FAILING)
    found = effect(interval.low, share.statistic, interval.high, runs=runs)
    assert decide(part, found)[0] == decision


@given(st.tuples(*[st.floats(-1, 1)] * 3).map(sorted))
def test_a_claim_and_its_opposite_never_both_hold(interval):
    decisions = [decide(part, effect(*interval))[0] for part in (GAIN, NO_GAIN)]
    assert sorted(decisions) in ([FAILS, HOLDS], [OPEN, OPEN])


@pytest.mark.parametrize(
    ("parts", "decision"),
    [
        ([HOLDS, HOLDS], HOLDS),
        ([HOLDS, OPEN], OPEN),
        ([HOLDS, FAILS], FAILS),
        ([OPEN, FAILS], FAILS),
        ([HOLDS, OPEN, UNTESTED], UNTESTED),
        ([FAILS, UNTESTED], FAILS),
        ([], UNTESTED),
    ],
)
def test_a_claim_is_as_good_as_its_worst_part(parts, decision):
    assert whole(parts) == decision


def cut(page, share):
    """A page whose test documents are longer than any window, the first `share` of ten of them."""
    lengths = np.where(np.arange(10) < share, 5000, 1)
    records = {}
    for key, record in page.records.items():
        packed = type(record.test.lengths).pack(lengths, "<u4")
        records[key] = record.model_copy(update={"test": record.test.model_copy(update={"lengths": packed})})
    return replace(page, records=records)


def test_a_method_that_makes_no_errors_beats_all_others(page):
    found = verdict(BY_NUMBER[1], cut(page("long_texts", {"head+tail": 0}), share=1), MINI)
    assert found.decision == HOLDS
    assert [finding.effect.mean for finding in found.findings] == [1.0] * 5
    assert found.findings[0].paper == pytest.approx((5.63 - 5.42) / 5.63)
    assert found.deciding.scale == "minilm-l6-uncased, 6 layers; window 512; 250 labels; 5 runs"


def test_one_comparison_decides_against_a_claim(page):
    made = page("long_texts", {"tail-only": 10})
    found = verdict(BY_NUMBER[1], cut(made, share=1), MINI)
    assert found.decision == FAILS
    assert found.deciding.part.label == "head+tail against head-only, IMDb"
    assert found.deciding.effect.mean == 0


@pytest.mark.parametrize("share", [0, 5, 10])
def test_methods_that_read_more_are_not_compared_where_the_window_cuts_otherwise(page, share):
    found = verdict(BY_NUMBER[1], cut(page("long_texts", {"head+tail": 0}), share), MINI)
    assert found.decision == UNTESTED
    assert f"cuts {10 * share}.0% of the test documents, the paper's 12.7%" in found.reason
    assert "head+tail against head-only" not in found.reason  # it stands beside the claim
    truncations = [finding for finding in found.findings if finding.part.aside]
    assert [finding.decision for finding in truncations] == [HOLDS, HOLDS]


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
    complete = page("layers")
    partly = replace(complete, records=dict(list(complete.records.items())[5:]))  # without those of a single layer
    found = verdict(BY_NUMBER[2], partly, MINI)
    assert found.decision == OPEN
    assert {finding.reason for finding in found.findings if finding.decision == OPEN} == {
        "5 of 30 runs are not recorded",
        "5 of 10 runs are not recorded",
    }
    assert verdict(BY_NUMBER[1], None, MINI).reason == "this profile has no parameters for the page"


def test_what_a_profile_does_not_have_is_not_tested(page):
    found = verdict(BY_NUMBER[10], page("domains"), MINI)
    assert found.decision == UNTESTED
    assert {finding.reason for finding in found.findings if not finding.part.aside} == {
        "IMDb has no runs of text of Yelp P.",
        "IMDb has no runs of text of Yelp F.",
        "this page has no Yelp P.",
        "this page has no Yelp F.",
    }
    beside = [finding for finding in found.findings if finding.part.aside]
    assert [finding.part.label for finding in beside] == [
        "pre-trained on Rotten Tomatoes, for IMDb",
        "pre-trained on IMDb, for Rotten Tomatoes",
    ]


def test_a_data_set_of_its_own_kind_has_no_in_domain_text(page):
    made = page("comparison", {"BERT-FiT": 0}, profile="mini-2")
    harms, helps = verdict(BY_NUMBER[9], made, MINI).findings
    assert harms.decision == HOLDS
    assert (helps.decision, helps.reason) == (
        UNTESTED,
        "the page has no second set of questions, so the text of its domain is the task's own",
    )
    found = verdict(BY_NUMBER[7], page("comparison", profile="mini-2"), MINI)
    assert found.findings[0].effect.datasets == ("imdb", "rotten_tomatoes", "ag_news", "dbpedia")


@pytest.mark.parametrize("number", [6, 7, 8, 9, 11, 12, 13])
def test_what_needs_further_pre_training_is_not_tested_where_heads_stay_at_chance(page, number):
    claim = BY_NUMBER[number]
    # what needs no further pre-training holds: fine-tuning beats features, multi-task fine-tuning beats plain
    wrong = dict.fromkeys(("BERT-FiT", "BERT-ITPT-FiT", "BERT-IDPT-FiT", "BERT-CDPT-FiT"), 2 if number == 11 else 9)
    wrong["BERT-MFiT-FiT"] = 0
    made = page(claim.page, wrong, heads={"right": 0.498}, seeds=(0, 1, 2))
    found = verdict(claim, made, MINI)
    assert found.decision == UNTESTED
    taken = verdict(claim, page(claim.page, wrong, seeds=(0, 1, 2)), MINI)
    for finding, other in zip(found.findings, taken.findings, strict=True):
        pretrained = any(
            arm.get("pretraining.relation", "no further pre-training") != "no further pre-training"
            or arm.get("pretraining.steps")
            for arm in finding.part.arms.values()
        )
        if not finding.part.untested and pretrained and finding.effect:
            assert finding.decision == UNTESTED
            assert "NSP is no better than chance (49.8% of 200 pairs right)" in finding.reason
        assert finding.effect == other.effect  # it is shown all the same


def test_data_sets_on_which_pre_training_did_not_take_are_left_out(page):
    made = page("comparison")
    chance = HeadQuality(mlm_loss=3.0, words=100, nsp_accuracy=0.5, pairs=200)
    for encoder, record in made.encoders.items():
        if [text.name for text in encoder.stages[-1].corpus] == ["imdb"]:
            record.measured = chance
    found = next(
        finding
        for finding in verdict(BY_NUMBER[11], made, MINI).findings
        if finding.part.label == "BERT-ITPT-FiT against BERT-FiT"
    )
    assert "imdb" not in found.effect.datasets
    assert ". Left out: IMDb: the pre-training did not take" in found.reason
    assert found.left_out == ("IMDb",)


def test_a_verdict_is_told_with_what_it_hangs_on(page):
    verdicts = [
        verdict(BY_NUMBER[1], cut(page("long_texts", {"head+tail": 0}), share=1), MINI),
        verdict(BY_NUMBER[3], page("layers", {"last third mean": 0}), MINI),
        verdict(BY_NUMBER[10], None, MINI),
    ]
    assert verdict_tables.verdicts_found(verdicts).text == (
        "Of the paper's 3 claims, 1 holds (“head+tail beats every other way”); 1 does not hold (“joining the last "
        "layers gains nothing”); 0 are not decided here; 1 is not tested here."
    )
    first, second, last = verdict_tables.verdicts_table(verdicts, "t").rows
    half = 100 * stats_of_scipy.t.isf(0.025, 9) * np.sqrt(0.1 / 10) / 0.9  # of nine wrong documents of ten and none
    cell = f"100.0% ({100 - half:.1f} to {100 + half:.1f})"
    scale = "minilm-l6-uncased, 6 layers; window 512; 250 labels; 5 runs"
    assert first[6:] == [cell, scale]
    assert second[2:] == [
        FAILS,
        "last third mean against the last layer",
        "−0.4%",
        "holds",
        cell,
        "minilm-l6-uncased, 6 layers; window 64; 500 labels; 5 runs",
    ]
    assert 'href="layers.html#runs" data-runs="run ' in second[6].myst
    assert (
        second[1].myst
        == "{doc}`Joining the last third of the layers (four of twelve) gains nothing over the last layer alone. "
        "<layers>`"
    )
    assert last[2:] == [
        "not tested here: this profile has no parameters for the page",
        "–",
        "–",
        "unmeasured",
        "–",
        "–",
    ]
    assert len(verdict_tables.comparisons_table(verdicts, "t").rows) == 8


def test_every_effect_stands_on_the_axis(page):
    verdicts = [
        verdict(BY_NUMBER[1], cut(page("long_texts", {"head+tail": 0}), share=1), MINI),
        verdict(BY_NUMBER[10], None, MINI),
    ]
    rows = verdict_tables.headlines(verdicts)
    assert rows["label"].tolist() == ["1. head+tail beats every other way", "10. IMDb and Yelp do not help each other"]
    assert rows["decision"].tolist() == [HOLDS, UNTESTED]
    assert np.isnan(rows.loc[1, ["mean", "paper"]].astype(float)).all()
    [ax] = effect_figures.effects(rows).figure.axes
    dots = {line.get_label(): line.get_xydata() for line in ax.get_lines()}
    assert dots["holds"][:, 0].tolist() == [1.0]
    assert dots["the paper"][0, 0] == rows.loc[0, "paper"]
    assert [text.get_text() for text in ax.texts] == rows["label"].tolist()
    assert not any(label == "_beyond" for label in dots)
    drawn = sorted([*dots["others, several seeds"][:, 0], *dots["others, single runs"][:, 0]])
    assert drawn == pytest.approx(sorted(share for share, _ in reproduction_tables.marks(1)))


def test_what_lies_beyond_the_axis_is_an_arrow_at_its_end():
    row = {"label": "a", "mean": -2.0, "low": -3.0, "high": -0.5, "paper": 1.5, "smallest": 0.02, "gain": True}
    [ax] = effect_figures.effects(pd.DataFrame([row | {"decision": OPEN}])).figure.axes
    arrows = [(line.get_marker(), line.get_color()) for line in ax.get_lines() if line.get_label() == "_beyond"]
    grey = effect_figures.LOOKS[OPEN][0]
    assert sorted(arrows) == [("<", grey), ("<", grey), (">", "black")]
    low, high = ax.get_xlim()
    assert all(low < line.get_xdata()[0] < high for line in ax.get_lines() if line.get_label() == "_beyond")
    assert "worse" in ax.get_xlabel().split("better")[0]


def test_letters_of_a_figure_can_be_read_on_a_phone():
    pixels = 96 * effect_figures.WIDTH
    assert effect_figures.FONT * 372 / pixels >= 8.9


def test_what_falls_short_in_the_paper_is_told():
    text = verdict_tables.papers_own(CLAIMS).text
    assert "claim 1, head+tail against tail-only, IMDb: 0.4%, the claim asks for at least 2%" in text
    assert "claim 5, decay 0.95 against none at the base rate: 0.4%, the claim asks for at least 1%" in text
    assert "head-only" not in text


def test_verdicts_on_the_same_runs_are_told(page):
    layers = page("layers")
    verdicts = [verdict(BY_NUMBER[number], layers, MINI) for number in (2, 3)]
    rows = verdict_tables.shared_runs(verdicts, "t").rows
    assert rows == [["2", "30", "3 (5)"], ["3", "20", "2 (5)"]]  # the last layer's five


def test_a_page_may_bring_a_claim_of_its_own(page):
    own = Claim(
        None, "features are enough", "Features are enough.", "nowhere", "comparison", gains(("BERT-Feat", "BERT-FiT"))
    )
    found = verdict(own, page("comparison", {"BERT-Feat": 0}), MINI)
    assert found.decision == HOLDS
    verdicts = [found, verdict(BY_NUMBER[3], page("layers"), MINI)]
    assert verdict_tables.verdicts_found(verdicts).text.startswith(
        "Of the paper's 1 claims and 1 of this book's own, 2 hold (“"
    )
    assert verdict_tables.verdicts_table(verdicts, "t").rows[0][0] == "own"


@pytest.fixture
def published(monkeypatch):
    """The pages of the published study, from its records."""
    monkeypatch.setenv("TCSTUDY_PUBLISHED", str(ROOT / "results"))
    return pages_of(
        experiments_of("mini"), {**dict.fromkeys((*PAGES, *cost.PAGES, *deviations.PAGES)), "base_rate": None}
    )


def test_a_page_and_a_verdict_never_disagree_on_a_pair(published):
    seen = 0
    for claim in CLAIMS:
        for finding in verdict(claim, published[claim.page], MINI).findings:
            weights = finding.part.contrast.weights
            if not finding.effect or finding.part.quantity != "errors" or sorted(weights.values()) != [-1, 1]:
                continue
            worse = finding.part.contrast.reference
            [better] = weights.keys() - {worse}
            for dataset in finding.effect.datasets:
                table = published[claim.page].table
                part = replace(finding.part, on=(dataset,))
                titles = {
                    name: table[[record is not None and record.id in ids for record in table["record"]]][
                        "variant"
                    ].iloc[0]
                    for name, ids in ids_of(part, published[claim.page], dataset).items()
                }
                records = {
                    key: record
                    for key, record in published[claim.page].records.items()
                    if key.dataset == dataset and key.variant in titles.values()
                }
                cells = stats.errors(records, {titles[better]: titles[worse]})
                row = cells.set_index(["dataset", "variant"]).loc[dataset, titles[better]]
                here = verdict(replace(claim, parts=lambda runs, part=part: [part]), published[claim.page], MINI)
                [single] = here.findings
                excludes = single.effect.low > 0 or single.effect.high < 0
                assert (excludes and single.effect.runs >= 3) == row["differs"]
                assert np.sign(single.effect.mean) == -np.sign(row["change"])
                if single.decision == HOLDS and single.part.gain:
                    assert row["differs"]
                    assert row["change"] < 0
                seen += 1
    assert seen >= 15  # records of sets of which the tests have made-up texts are not used


def ids_of(part, page, dataset):
    from tcstudy.report.measured import arms_of

    return {
        name: {record.id for record in rows["record"] if record is not None}
        for name, rows in arms_of(part, page, dataset).items()
    }


def renamed(page):
    """The same page, all its variants called otherwise."""
    titles = {title: f"v{number}" for number, title in enumerate(dict.fromkeys(key.variant for key in page.runs))}
    runs, records = (
        {key._replace(variant=titles[key.variant]): of for key, of in group.items()}
        for group in (page.runs, page.records)
    )
    return replace(page, runs=runs, records=records), titles


def test_no_verdict_hangs_on_the_title_of_a_variant(published):
    others = {name: renamed(page)[0] for name, page in published.items()}

    def found(pages):
        return [verdict(claim, pages[claim.page], MINI) for claim in CLAIMS]

    before, after = found(published), found(others)
    for one, other in zip(before, after, strict=True):
        assert (one.decision, one.reason) == (other.decision, other.reason)
        assert [repr(finding.effect) for finding in one.findings] == [
            repr(finding.effect) for finding in other.findings
        ]
    assert verdict_tables.headlines(before).equals(verdict_tables.headlines(after))
    one, other = (verdict_tables.comparisons_table(of, "t").rows for of in (before, after))
    assert one == other
    one, other = (deviations.deviations_table(pages, "t").rows for pages in (published, others))
    assert one == other
    columns = ["choice", "reason", "hours", "operations", "rate"]
    one, other = (cost.bought(pages, {})[columns] for pages in (published, others))
    assert one.equals(other)


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        (
            "layers",
            lambda records, compared: stats.by_depth(
                stats.errors(records, compared), of_variants(every_column(records), "features.depth")
            ),
        ),
        ("forgetting", lambda records, compared: forgetting.learning_curves(records)),
        ("forgetting", lambda records, compared: forgetting.forgotten(records, compared)),
        ("few_shot", pretraining.reductions_by_documents),
        ("base_rate", lambda records, compared: rates.validation_by_rate(records)),
        ("within_task", lambda records, compared: pretraining.error_by_steps(records)),
        (
            "domains",
            lambda records, compared: pretraining.changes(
                stats.error_matrix(stats.errors(records)), pretraining.corpora_of(records)
            ).reset_index(drop=True),
        ),
        (
            "long_texts",
            lambda records, compared: (
                stats.error_by_length(records)
                .drop(columns="variant")
                .sort_values(["dataset", "bin", "mean"], ignore_index=True)
            ),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_no_number_of_a_figure_hangs_on_the_title_of_a_variant(published, name, numbers):
    compared = experiments_of("mini")[name].compared()
    page, titles = renamed(published[name])
    one = numbers(published[name].records, compared)
    other = numbers(page.records, {titles[variant]: titles[against] for variant, against in compared.items()})
    left_out = [column for column in ("variant", "reference", "spread") if column in one]
    assert one.drop(columns=left_out).equals(other.drop(columns=left_out))
