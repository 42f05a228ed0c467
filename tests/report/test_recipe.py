from types import SimpleNamespace

from tcstudy.report.claims import CLAIMS
from tcstudy.report.recipe import STEPS, recipe
from tcstudy.report.verdicts import FAILS, HOLDS, OPEN


def told(decisions: dict[int, str]) -> str:
    found = [SimpleNamespace(claim=claim, decision=decisions.get(claim.number, OPEN)) for claim in CLAIMS]
    return recipe(found).text


def test_every_claim_has_one_step():
    assert sorted(step.claim for step in STEPS) == [claim.number for claim in CLAIMS]


def test_a_claim_that_holds_and_one_that_does_not_are_told_with_their_pages():
    text = told({1: HOLDS, 5: FAILS})
    as_said, otherwise = text.split("Otherwise than the paper says:")
    assert as_said.startswith("As the paper says:\n\n- Of a long text keep the head and the tail. ({doc}`long_texts`)")
    assert "- One learning rate for all layers will do. ({doc}`layer_decay`)" in otherwise
    assert "joining layers" in otherwise.split("Not decided here: ")[1]
    assert "fall mildly" not in text


def test_where_nothing_is_decided_nothing_is_advised():
    text = told({})
    assert text.startswith("Not decided here: ")
    assert all(step.holds not in text and step.fails not in text and step.about in text for step in STEPS)
