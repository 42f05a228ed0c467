from dataclasses import replace
from pathlib import Path

import pytest

from tcstudy.catalog.profiles import PROFILES
from tcstudy.publish.parameters import read_parameters
from tcstudy.report import answers, provenance
from tcstudy.report.claims import CLAIMS
from tcstudy.report.tables import Notice
from tcstudy.report.verdicts import FAILS, HOLDS, OPEN, UNTESTED

ROOT = Path(__file__).parents[2]


@pytest.fixture
def decay(made_up):
    """The page on layer-wise decay in a profile, with so many of ten documents wrong by variant, else five."""

    def make(profile="mini", wrong=None, kept=lambda key: True):
        given = read_parameters(ROOT / "params" / "mini" / "layer_decay.yaml").experiment
        experiment = given.model_copy(update={"profile": profile})
        runs = {key: run for key, run in experiment.runs().items() if kept(key)}
        return experiment, {key: made_up(run, (wrong or {}).get(key.variant, 5)) for key, run in runs.items()}

    return make


def test_the_answer_is_the_verdict_with_effect_size_and_what_the_runs_show(decay):
    experiment, records = decay()
    lowest = min(experiment.learning_rates)
    mild = next(
        key.variant
        for key, record in records.items()
        if (record.spec.training.learning_rate, record.spec.training.layer_decay) == (lowest, 0.95)
    )
    experiment, records = decay(wrong={mild: 1})
    [verdict] = answers.verdicts_of(experiment, records)
    assert verdict.decision == HOLDS
    answer = answers.answer(experiment, [verdict], Notice("tip", "Found", "A difference."))
    (bold, text), (profile, brief) = answer.paragraphs
    [found] = answer.details
    assert bold == "“A mild layer-wise decay helps a little”: holds."
    effect = verdict.findings[0].effect
    assert f"errors saved {100 * effect.mean:.1f}% ({100 * effect.low:.1f} to {100 * effect.high:.1f})" in text
    assert effect.mean == pytest.approx(0.8)
    assert f"{len(experiment.seeds)} runs" in brief
    assert "500 labels" in brief
    assert found == ("", "A difference.")
    assert profile == "Profile mini."
    assert brief.startswith(PROFILES["mini"].brief)
    fold = "```{dropdown} What else the runs show\n:open:\n:class-container: answer-details\n\nA difference.\n```"
    assert answer.markdown().endswith(f"\n\n{fold}\n````")
    assert "<details open><summary>What else" in answer.html()


def test_a_page_of_smoke_says_that_it_proves_nothing_and_decides_nothing(decay):
    experiment, records = decay("smoke")
    [verdict] = answers.verdicts_of(experiment, records)
    assert verdict.decision == OPEN
    answer = answers.answer(experiment, [verdict])
    assert answer.kind == "warning"
    shown = answer._repr_mimebundle_()
    for form in shown.values():
        assert "Profile smoke: no evidence." in form
        assert "its numbers are no evidence about the paper" in form
    assert shown["text/markdown"].startswith("````{admonition} Answer\n:class: warning\n\n")


def test_where_runs_are_missing_the_answer_says_so(decay):
    experiment, records = decay(kept=lambda key: key.seed == 0)
    [verdict] = answers.verdicts_of(experiment, records)
    answer = answers.answer(experiment, [verdict])
    assert answer.paragraphs[0][0].endswith("not decided here.")
    reason = verdict.deciding.reason
    assert answer.paragraphs[0][1].startswith(f"These runs cannot tell. {reason[0].upper()}{reason[1:]}. Decay 0.95 ")
    assert answer.details == []


def test_what_is_not_tested_is_answered_with_the_reason_and_its_effect_is_a_detail(decay):
    experiment, records = decay()
    [verdict] = answers.verdicts_of(experiment, records)
    [finding] = [replace(verdict.deciding, decision=UNTESTED, reason="it did not take")]
    untested = replace(verdict, findings=(finding,), decision=UNTESTED)
    answer = answers.answer(experiment, [untested])
    assert answer.paragraphs[0] == (f"“{verdict.claim.title.capitalize()}”: not tested here.", "It did not take.")
    [(_, text)] = answer.details
    assert text.startswith("Decay 0.95 against none at the base rate: errors saved 0.0%")


def test_of_a_claim_that_is_open_the_comparisons_that_are_decided_are_told(decay):
    experiment, records = decay()
    [verdict] = answers.verdicts_of(experiment, records)
    findings = tuple(replace(verdict.findings[0], decision=decision) for decision in (HOLDS, OPEN, HOLDS, FAILS))
    [(_, text)] = answers.answer(experiment, [replace(verdict, findings=findings, decision=OPEN)]).details
    assert text.endswith("Of its 4 comparisons, 2 came out as claimed and 1 did not.")
    [(_, text)] = answers.answer(experiment, [replace(verdict, findings=findings[:2], decision=OPEN)]).details
    [(_, told), *_] = answers.answer(experiment, [verdict]).paragraphs
    assert text.startswith("Of its 2 comparisons, 1 came out as claimed and 0 did not. Decay 0.95 ")
    assert told.endswith(text.removeprefix("Of its 2 comparisons, 1 came out as claimed and 0 did not. "))


def test_a_page_without_claims_has_no_verdict():
    assert not [claim for claim in CLAIMS if claim.page == "base_rate"]
    base_rate = read_parameters(ROOT / "params" / "mini" / "base_rate.yaml").experiment
    assert answers.verdicts_of(base_rate, {}) == []


def test_what_is_found_is_shown_letter_by_letter(decay):
    experiment, _ = decay()
    answer = answers.answer(experiment, [], Notice("tip", "Found", "<b>*x*</b> `{doc}`"))
    assert "&lt;b&gt;" in answer.html()
    assert "\\<b\\>\\*x\\*" in answer.markdown()


def test_how_a_page_was_made_is_folded_with_its_command():
    experiment = read_parameters(ROOT / "params" / "mini" / "verdicts.yaml").experiment
    [fold] = provenance.of(experiment)
    assert fold.text == "To make this page yourself: `tcstudy run params/smoke/verdicts.yaml`. It trains nothing."
    assert fold.markdown().startswith("`````{admonition} Parameters, command and provenance\n:class: note dropdown\n")
    assert ":name: run-with-verdicts" in fold.markdown()
    trains = read_parameters(ROOT / "params" / "mini" / "layers.yaml").experiment
    assert "`tcstudy plan params/mini/layers.yaml`" in provenance.command(trains)


def test_every_profile_has_a_line_of_its_own():
    assert len({PROFILES[name].brief for name in ("smoke", "mini", "paper", "any")}) == 4
