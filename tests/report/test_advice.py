"""Every line of advice is held against the tables of the book, read anew from their cells."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tcstudy.catalog.profiles import PROFILES
from tcstudy.publish.parameters import experiments_of
from tcstudy.report import advice, cost, reproduction_tables, reproductions, verdict_tables
from tcstudy.report.advice import ADVICE, Carried, Clause, Evidence, Found, Line, best_of, others, own, standing
from tcstudy.report.claim_rules import ARMS, FEATURES, FIT, gains, saves
from tcstudy.report.claims import CLAIMS, PAGES, PAPERS_CLAIMS
from tcstudy.report.frame import chosen
from tcstudy.report.measured import pages_of
from tcstudy.report.verdicts import verdict

ROOT = Path(__file__).parents[2]
MINI = PROFILES["mini"]
INTERVAL = r"[-−]?[\d.]+% \([-−]?[\d.]+ to [-−]?[\d.]+\)"
FINE_TUNED = f"{FIT} against {FEATURES}"
WITHIN = "pre-training within the task against none"


@pytest.fixture(scope="module")
def published():
    """The pages of the published study, from its records."""
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("TCSTUDY_PUBLISHED", str(ROOT / "results"))
        yield pages_of(experiments_of("mini"), (*PAGES, *cost.PAGES, *advice.PAGES))


def saved_on(page, what):
    """The share of errors that the first of two methods saves against the second, from its runs' errors."""
    better, worse = (
        chosen(page.table, ARMS.get(name, {"window.method": name})).groupby("dataset")["error"].mean()
        for name in what.split(" against ")
    )
    return f"{100 * (1 - better / worse).mean():.1f}%"


def contradictions(lines, pages):
    """What a line says that the tables of the book do not: they are read as text, by other ways than the advice."""
    found = []
    answers = {row[0]: row for row in reproduction_tables.answers_table(PAPERS_CLAIMS, "t").rows}
    numbers = reproduction_tables.numbers_table(reproductions.reproductions(), "t").table.rows
    verdicts = [verdict(claim, pages.get(claim.page), MINI) for claim in CLAIMS]
    compared = verdict_tables.comparisons_table(verdicts, "t").rows
    pages_of_claims = {claim.label: claim.page for claim in CLAIMS}
    for carried in (of for line in lines for of in line.carried):
        for evidence in carried.evidence:
            where, what = evidence.basis
            shown = set(re.findall(INTERVAL, evidence.text))
            if evidence.full_size:
                if f"{what}: does not hold" in answers[where][3]:
                    found.append(f"others do not find that {what}")
                there = {cell.removeprefix("● ") for row in numbers if row[0] == where for cell in [row[5]]}
                turned = carried.clause.text.startswith("**Take the window")  # a comparison told from its other side
                found += [f"{cell} is no effect of others" for cell in shown - there if not turned]
            else:
                here = [row for row in compared if pages_of_claims[row[0].removeprefix("beside ")] == where]
                rows = [row for row in here if row[1] == what] or [row for row in here if row[1].startswith(what)]
                found += [f"{row[1]} does not hold" for row in rows if row[6].startswith("does not hold")]
                found += [f"{what} has another effect" for row in rows if row[4] not in shown]
                if where not in pages_of_claims.values() and " against " in what:
                    share = saved_on(pages[where], what)
                    named = [row for row in compared if row[1] == what]
                    found += [f"{what} does not hold" for row in named if row[6].startswith("does not hold")]
                    found += [f"{what} has another effect"] * (not any(one.startswith(share) for one in shown))
    return found


def carried(text, evidence):
    return Line("planted", (Carried(Clause(text, "index", ()), (evidence,)),))


def test_no_line_contradicts_a_table_of_the_book(published):
    lines = standing(published, MINI)
    assert 5 <= len(lines) <= 8
    assert contradictions(lines, published) == []
    assert not re.search(r"[{}]", "".join(of.do for line in lines for of in line.carried))


@pytest.mark.parametrize(
    ("evidence", "contradiction"),
    [
        (Evidence("errors saved: 99.0% (98.0 to 99.5)", ("6", WITHIN), {}, True), "is no effect of others"),
        (
            Evidence("errors saved here: 99.0% (98.0 to 99.5)", ("bag_of_words", FINE_TUNED), {}, False),
            "has another effect",
        ),
    ],
)
def test_a_planted_contradiction_is_found(published, evidence, contradiction):
    [first, *_] = contradictions([carried("**Do it**", evidence)], published)
    assert contradiction in first


def test_what_stands_in_a_line_beside_its_numbers_is_so(published):
    rates = [row for row in reproductions.reproductions() if row.claim == 4 and row.comparison.startswith("rate ")]
    assert rates
    assert all("without bias correction" in row.note for row in rates)
    assert reproductions.answer(1).parts["head+tail against tail-only"] != reproductions.HOLDS
    [found] = [
        one
        for one in verdict(CLAIMS[0], published["long_texts"], MINI).findings
        if one.part.label.startswith("head+tail against tail-only")
    ]
    assert found.decision != "holds"


def test_a_line_that_the_records_speak_against_is_found(published, monkeypatch):
    [claim] = [claim for claim in CLAIMS if claim.number == 11]
    turned = replace(claim, parts=gains((FEATURES, FIT)))
    monkeypatch.setattr(sys.modules[__name__], "CLAIMS", (turned,))
    against = f"{FEATURES} against {FIT}"
    evidence = Evidence("errors saved here: 1.0% (0.5 to 1.5)", ("bag_of_words", against), {}, False)
    assert f"{against} does not hold" in contradictions([carried("**Do it**", evidence)], published)


def test_every_line_names_its_value_its_interval_and_who_measured_it(published):
    for line in standing(published, MINI):
        for of in line.carried:
            assert of.short
            for evidence in of.evidence:
                assert re.search(r"\d \(|\d% \(", evidence.text)
                assert ("{cite:t}" in evidence.text) == evidence.full_size
    text = advice.what_to_do(standing(published, MINI)).text
    for value in ("at 2e-5 or 5e-5", "from 2e-5 to 4e-4", "first 128 and the last 382", "1 to 3 passes", "over 3 runs"):
        assert value in text
    assert "4 epochs" in text
    assert "a learning rate of 2e-5" not in text  # a line says which


def turned_round(rows):
    """What others measured, with variant and reference exchanged."""
    return [
        advice._swapped(row) if row.reference is not None and row.metric not in reproductions.OTHER_METRICS else row
        for row in rows
    ]


def test_advice_goes_as_soon_as_its_evidence_turns(published, monkeypatch):
    before = {of.short for line in standing({}, MINI) for of in line.carried}
    rows = turned_round(reproductions.reproductions())
    for module in (reproductions, advice):
        monkeypatch.setattr(module, "reproductions", lambda: rows)
    after = {of.short for line in standing({}, MINI) for of in line.carried}
    assert "Pre-train further on the task's own texts" in before - after
    assert "Keep the first 128 and the last 382 wordpieces" in before - after
    assert "Fine-tune a BERT-base at 2e-5 or 5e-5" in before - after
    assert "Fine-tune a BERT-base at 4e-4" not in after  # which loses to none, of three that it was not compared with
    both = {of.short for line in standing(published, MINI) for of in line.carried}
    assert "Keep the first 128 and the last 382 wordpieces" not in both  # though the own records carry it


def test_the_own_records_can_speak_against_others(published):
    against = Clause("**Do it**", "index", (others(6, WITHIN), lambda pages, profile: Found(None, against=True)))
    alone = replace(against, sources=against.sources[:1])
    assert standing({}, MINI, {"a": (against,)}) == []
    assert standing({}, MINI, {"a": (alone,)})[0].carried[0].short == "Do it"

    def reverse(runs):
        return [replace(part, contrast=saves("head+tail", "hierarchical mean")) for part in advice.piecewise(runs)[:1]]

    assert own("hard_documents", reverse)(published, MINI) == Found(None, against=True)


def test_what_decides_nothing_carries_nothing(published):
    shown = standing(published, PROFILES["smoke"])
    assert shown
    assert all(evidence.full_size for line in shown for of in line.carried for evidence in of.evidence)
    assert standing({}, PROFILES["smoke"]) == shown


def test_without_evidence_the_papers_setting_is_left():
    found = advice.what_to_do(standing({}, MINI, {}))
    assert found.kind == "warning"
    for setting in ("4 epochs", "batches of 24", "a learning rate of 2e-5", "a window of 512"):
        assert setting in found.text
    rows = advice.decisions([], {}, "t").rows
    assert {row[2] for row in rows} == {"the paper's default, untested"}
    assert len(rows) == len(advice.CASES)


def test_the_table_of_decisions_says_what_the_lines_say(published):
    lines = standing(published, MINI)
    rows = advice.decisions(lines, published, "t").rows
    shorts = {of.short for line in lines for of in line.carried}
    for _, do, evidence in rows:
        assert (do in shorts) != evidence.startswith("the paper's default")
    cases = {(case, what) for case, what, *_ in advice.CASES}
    assert {case for clauses in ADVICE.values() for clause in clauses for case in clause.cases} < cases
    [cheap] = [row for row in rows if row[0] == "budget: seconds on a CPU"]
    assert re.search(r"\d+\xa0s a run here", cheap[2])


def test_the_best_of_pairs_is_beaten_by_none(monkeypatch):
    def row(one, other, score, reference):
        [given] = [of for of in reproductions.reproductions() if of.comparison == "rate 2e-5 against 4e-4"][:1]
        text = f"rate {one} against {other}"
        return given.model_copy(update={"comparison": text, "score": score, "reference": reference})

    def best(*rows):
        monkeypatch.setattr(advice, "reproductions", lambda: rows)
        found = best_of(4, r"rate (?P<one>\S+) against (?P<other>\S+)")({}, MINI)
        return found.evidence and found.evidence.values["best"]

    rows = row("1", "2", 94.0, 90.0), row("1", "3", 94.0, 94.0), row("4", "1", 80.0, 94.0)
    assert best(*rows) == "1 or 3"
    assert best(*rows, row("2", "4", 94.0, 90.0)) is None  # two that beat another each
    assert best(row("1", "3", 94.0, 94.0)) is None
