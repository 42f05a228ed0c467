import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from pybtex.database import parse_file
from scipy import stats

from tcstudy.errors import StudyError
from tcstudy.experiments import EXPERIMENTS
from tcstudy.publish.parameters import read_parameters
from tcstudy.report import reproductions as others
from tcstudy.report.claims import PAPERS_CLAIMS
from tcstudy.report.frame import every_column
from tcstudy.report.reproductions import FAILS, HOLDS, MIXED, PARTS, UNMEASURED, Reproduction, answer, measured

ROOT = Path(__file__).parents[2]
FILE = ROOT / "tcstudy" / "report" / "reproductions.csv"
HEAD, *LINES = FILE.read_text(encoding="utf-8").splitlines()
SOURCES = set(parse_file(str(ROOT / "book" / "references.bib")).entries)


def row(claim=6, part="pre-training within the task against none", **changes) -> Reproduction:
    given = {
        "line": 2,
        "claim": claim,
        "part": part,
        "source": "someone",
        "encoder": "bert",
        "dataset": "IMDb",
        "comparison": "a against b",
        "score": 95.0,
        "reference": 94.0,
        "metric": "accuracy",
        "sd": 0.1,
        "reference_sd": 0.1,
        "seeds": 5,
        "reference_seeds": 5,
        "where": "Table 1",
        "origin": "a paper",
    }
    return Reproduction.model_validate(given | changes)


def test_all_numbers_are_there_and_each_source_is_in_the_bibliography():
    rows = others.read(FILE, SOURCES)
    assert len(rows) == len(LINES) == 356
    assert len({of.source for of in rows}) == 30
    assert {of.claim for of in rows} == {claim.number for claim in PAPERS_CLAIMS} == set(PARTS)
    assert rows[0].line == 2
    assert not [(one, two) for one, two in pairwise(LINES) if one == two]


def test_the_bibliography_has_each_work_once():
    titles = [
        entry.fields["title"].lower() for entry in parse_file(str(ROOT / "book" / "references.bib")).entries.values()
    ]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("1,head", "15,head", "claim: '15'"),
        ("94.57,94.20", "194.57,94.20", "`score` is 194.57, but accuracy must be from 0 to 100"),
        ("accuracy", "acuracy", "did you mean 'accuracy'?"),
        (",3,3,", ",0,3,", "seeds: '0'"),
        ("0.07,0.08", "-0.07,0.08", "sd: '-0.07'"),
        ("against head-only,qinhan2021", "vs head-only,qinhan2021", "is not a part of claim 1; did you mean"),
        ("qinhan2021", "qinhan2020", "`source` 'qinhan2020' is not in the bibliography"),
        ("94.57,94.20", "94.57", "a row must have 20 cells"),
    ],
)
def test_a_wrong_row_is_one_sentence_with_its_line(tmp_path, old, new, sentence):
    assert old in LINES[0]
    wrong = tmp_path / "numbers.csv"
    wrong.write_text("\n".join([HEAD, LINES[1], LINES[0].replace(old, new, 1)]) + "\n", encoding="utf-8")
    with pytest.raises(StudyError) as caught:
        others.read(wrong, SOURCES)
    assert str(caught.value).startswith("numbers.csv line 3: ")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_with_other_columns_is_refused(tmp_path):
    wrong = tmp_path / "numbers.csv"
    wrong.write_text(HEAD.replace("dataset", "data") + "\n" + LINES[0] + "\n", encoding="utf-8")
    with pytest.raises(StudyError, match=r"numbers.csv line 1: the columns must be claim, part, source"):
        others.read(wrong)


def test_an_effect_by_hand():
    of = measured(row(score=95.0, reference=94.0, sd=0.1, reference_sd=0.2, seeds=4, reference_seeds=4))
    first, second = (0.1 / 6) ** 2 / 4, (5 * 0.2 / 36) ** 2 / 4
    freedom = (first + second) ** 2 / (first**2 / 3 + second**2 / 3)
    half = stats.t.ppf(0.975, freedom) * math.sqrt(first + second)
    assert of.mean == pytest.approx(1 / 6)
    assert (of.low, of.high) == pytest.approx((1 / 6 - half, 1 / 6 + half))
    assert of.side == "for"


def test_an_error_rate_and_an_accuracy_give_the_same_effect():
    accuracy = measured(row())
    error = measured(row(score=5.0, reference=6.0, metric="error"))
    assert (error.mean, error.low, error.high) == pytest.approx((accuracy.mean, accuracy.low, accuracy.high))


def test_the_interval_covers_as_often_as_it_says():
    generator = np.random.default_rng(0)
    truth, covered, repeats = 1 - 5.0 / 6.0, 0, 2000
    for _ in range(repeats):
        ours, theirs = generator.normal(5.0, 0.2, 4), generator.normal(6.0, 0.2, 4)
        of = measured(
            row(
                metric="error",
                score=ours.mean(),
                reference=theirs.mean(),
                sd=ours.std(ddof=1),
                reference_sd=theirs.std(ddof=1),
                seeds=4,
                reference_seeds=4,
            )
        )
        covered += of.low <= truth <= of.high
    assert 0.93 <= covered / repeats <= 0.98


def test_a_spread_printed_as_nothing_is_what_is_rounded_to_it():
    of = measured(row(sd=0.0, reference_sd=0.0))
    assert 0 < of.high - of.low < 0.01
    assert measured(row(sd=0.005, reference_sd=0.005)) == of.__class__(
        row(sd=0.005, reference_sd=0.005), of.mean, of.low, of.high
    )


@pytest.mark.parametrize(
    ("changes", "mark"),
    [
        ({}, "solid"),
        ({"seeds": 2}, "hollow"),
        ({"seeds": None}, "hollow"),
        ({"sd": None}, "hollow"),
        ({"second_hand": "yes"}, None),
        ({"reference": None}, None),
        ({"metric": "MCC"}, None),
        ({"metric": "points", "score": -1.0, "reference": 0.0}, None),
    ],
)
def test_marks(changes, mark):
    of = row(**changes)
    assert of.mark == mark
    assert (measured(of) is None) == (mark is None)
    assert mark != "hollow" or measured(of).low is None


def test_the_last_epoch_speaks_for_the_runs_whose_best_on_test_is_printed_too():
    best, last = row(selected_on="test"), row(selected_on="none (last epoch)", score=94.9)
    alone = row(selected_on="test", dataset="AG")
    assert others.once([best, last, alone]) == [last, alone]


def test_one_source_with_many_numbers_is_one_vote():
    many = [row(comparison=f"variant {number}") for number in range(9)]
    against = [row(source=name, score=93.0) for name in ("other", "third")]
    found = answer(6, many + against)
    assert (found.votes["for"], found.votes["against"]) == (1, 2)
    assert found.word == MIXED


def test_a_source_that_speaks_for_and_against_is_split():
    found = answer(6, [row(), row(comparison="c against b", score=93.0)])
    assert found.votes["split"] == 1
    assert found.word == MIXED


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        ([], UNMEASURED),
        ([row()], HOLDS),
        ([row(score=93.0)], FAILS),
        ([row(), row(dataset="AG", sd=5.0)], HOLDS),
        ([row(sd=5.0)], MIXED),
        ([row(seeds=1)], UNMEASURED),
        ([row(), row(dataset="AG", score=90.0, seeds=1)], HOLDS),
        ([row(second_hand="yes")], UNMEASURED),
        ([row(part="")], UNMEASURED),
        ([row(7, "in-domain against within the task")], UNMEASURED),
    ],
)
def test_answers(rows, word):
    assert answer(6, rows).word == word


def test_a_claim_of_several_parts_does_not_hold_if_one_does_not():
    head, tail = ("head+tail against head-only", "head+tail against tail-only")
    found = answer(1, [row(1, head), row(1, tail, score=93.0)])
    assert found.parts == {head: HOLDS, tail: FAILS, "head+tail against hierarchical": UNMEASURED}
    assert (found.word, found.measured) == (FAILS, 2)


def test_of_no_gain_is_the_other_way_round():
    part = "the last layers joined against the last"
    assert answer(3, [row(3, part, score=93.5)]).word == HOLDS
    assert answer(3, [row(3, part)]).word == FAILS


@pytest.mark.parametrize("claim", PAPERS_CLAIMS, ids=lambda claim: f"{claim.number}")
def test_the_smallest_effects_are_those_of_the_verdicts(claim):
    runs = read_parameters(ROOT / "params" / "paper" / f"{claim.page}.yaml").experiment.runs()
    parts = claim.parts(every_column(runs, base_rate=2e-5))
    kinds = {(part.smallest, part.gain) for part in parts}
    here = {(part.smallest, part.gain) for part in PARTS[claim.number]}
    if claim.number == 4:  # what is forgotten has no part of errors
        here = {kind for kind in here if kind[0] in {part.smallest for part in parts}}
    assert here
    assert here <= kinds
    assert claim.page in EXPERIMENTS


def test_what_the_numbers_amount_to():
    words = {number: answer(number).word for number in PARTS}
    assert {number for number, word in words.items() if word == UNMEASURED} == {2, 8, 9, 10, 11, 14}
    assert words[3] == HOLDS
    assert words[7] == MIXED
    in_domain = {of.row.dataset: of.side for of in answer(7).shown if of.row.source == "gururangan2020"}
    assert in_domain["AGNews"] == "against"
    assert in_domain["ACL-ARC"] == "for"
    [decay] = answer(5).shown
    assert decay.mean == pytest.approx(0.10 / 5.55)
    assert decay.side is None
