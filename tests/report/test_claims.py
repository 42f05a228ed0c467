from pathlib import Path

import pytest

from tcstudy.experiments import EXPERIMENTS
from tcstudy.publish.parameters import read_parameters
from tcstudy.report import claim_rules as rules
from tcstudy.report.claim_sources import printed_effects
from tcstudy.report.claims import CLAIMS

PARAMS = Path(__file__).parents[2] / "params"
BY_NUMBER = {claim.number: claim for claim in CLAIMS}


def variants_of(profile, page):
    runs = read_parameters(PARAMS / profile / f"{page}.yaml").experiment.runs()
    return list(dict.fromkeys(key.variant for key in runs))


def paper(number):
    claim = BY_NUMBER[number]
    return {label: effect for label, (_, effect) in printed_effects(claim.parts, claim.paper()).items()}


def test_there_are_fourteen_of_pages_that_exist():
    assert [claim.number for claim in CLAIMS] == list(range(1, 15))
    assert {claim.page for claim in CLAIMS} <= set(EXPERIMENTS)


@pytest.mark.parametrize("profile", ["smoke", "mini", "paper"])
@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.page)
def test_every_profile_has_variants_that_a_claim_compares(profile, claim):
    variants = variants_of(profile, claim.page)
    parts = claim.parts(variants)
    assert parts
    if claim.number != 10:  # of text that only the profile paper has
        assert set().union(*(part.contrast.weights for part in parts)) <= set(variants)


@pytest.mark.parametrize("claim", [claim for claim in CLAIMS if claim.paper], ids=lambda claim: claim.page)
def test_the_papers_effects_are_called_as_those_of_its_profile(claim):
    parts = claim.parts(variants_of("paper", claim.page))
    drawn_only = {part.label for part in parts if "times the usual steps" in part.label}
    printed = set(printed_effects(claim.parts, claim.paper()))
    assert {part.label for part in parts if not part.each} - drawn_only <= printed
    assert {part.label for part in parts if part.each} <= {label.rsplit(", ", 1)[0] for label in printed}


def test_the_papers_effects_by_hand():
    assert paper(1)["head+tail against tail-only, IMDb"] == pytest.approx((5.44 - 5.42) / 5.44)
    assert len(paper(1)) == 10
    assert paper(5) == pytest.approx({"decay 0.95 against none at the base rate": 0.02 / 5.42})
    assert paper(6)["the usual steps against none"] == pytest.approx((5.40 - 4.37) / 5.40)
    assert paper(9)["BERT-FiT against BERT-ITPT-FiT"] == pytest.approx((3.2 - 2.8) / 3.2)
    assert paper(11)["BERT-FiT against BERT-Feat"] == pytest.approx(0.0922, abs=1e-4)  # as Table 6 prints it
    gain = 17.26 - 9.23
    assert list(paper(13).values()) == pytest.approx([gain / 17.26, (gain - (5.40 - 4.37)) / 17.26])


def test_layers_are_compared_by_depth_whatever_the_encoder():
    shallow, deep = (rules.depth([f"layer {k} of {depth}" for k in range(depth)]) for depth in (6, 12))
    assert {part.label for part in shallow} <= {part.label for part in deep}
    assert [part.gain for part in shallow] == [True, *[False] * 5]
    assert shallow[-1].contrast.weights == {"layer 5 of 6": 1.0, "layer 4 of 6": -1.0}
    assert rules.depth(["pooler"]) == []


def test_the_usual_steps_are_the_papers_else_the_last():
    [only] = rules.steps(["0 steps", "100 steps", "400 steps"])
    assert only.contrast.weights == {"0 steps": 1.0, "400 steps": -1.0}
    usual, more = rules.steps(["0 steps", "50k steps", "100k steps", "200k steps"])
    assert usual.contrast.weights == {"0 steps": 1.0, "100k steps": -1.0}
    assert (more.label, more.gain) == ("2 times the usual steps against these", False)
    assert rules.steps(["100 steps"]) == []


def test_rates_are_those_with_bias_correction():
    forgotten, failing = rules.rates(["lr 4e-4", "lr 2e-5", "lr 4e-3 without bias correction"])
    assert forgotten.contrast.weights == {"lr 4e-4": 1.0, "lr 2e-5": -1.0}
    assert failing.contrast.weights == {"lr 4e-4": 1.0}


def test_the_decay_is_compared_at_the_lowest_rate():
    [part] = rules.decay(["lr 0.00025 decay 1.00", "lr 0.0002 decay 0.90"], mild=0.95, smallest=rules.LITTLE)
    assert part.contrast.weights == {"lr 0.0002 decay 1.00": 1.0, "lr 0.0002 decay 0.95": -1.0}


def test_few_examples_are_the_smallest_share():
    methods, of = ("BERT-FiT", "BERT-ITPT-FiT"), "of the training data"
    few, more = rules.few_examples([f"{method}, {share}% {of}" for share in (100, 0.4, 10) for method in methods])
    assert few.contrast.reference == more.contrast.reference == f"BERT-FiT, 0.4% {of}"
    rates = {f"{methods[0]}, 0.4% {of}": 0.5, f"{methods[1]}, 0.4% {of}": 0.3}
    rates |= {f"{methods[0]}, 100% {of}": 0.2, f"{methods[1]}, 100% {of}": 0.1}
    assert more.contrast.of(rates) == pytest.approx(0.2)
