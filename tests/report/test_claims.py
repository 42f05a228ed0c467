from pathlib import Path

import pandas as pd
import pytest

from tcstudy.experiments import EXPERIMENTS
from tcstudy.publish.parameters import read_parameters
from tcstudy.report import claim_rules as rules
from tcstudy.report.claim_rules import CDPT, IDPT
from tcstudy.report.claims import CLAIMS, PAPERS_CLAIMS, printed_effects
from tcstudy.report.frame import PLAIN, chosen, every_column

PARAMS = Path(__file__).parents[2] / "params"
BASE_RATES = {"smoke": 3e-4, "mini": 2e-4, "paper": 2e-5}
BY_NUMBER = {claim.number: claim for claim in CLAIMS}


def table_of(profile, page):
    return every_column(read_parameters(PARAMS / profile / f"{page}.yaml").experiment.runs(), BASE_RATES[profile])


def paper(number):
    claim = BY_NUMBER[number]
    return {label: effect for label, (_, effect) in printed_effects(claim.parts, claim.paper()).items()}


def test_the_papers_claims_are_of_pages_that_exist():
    assert [claim.number for claim in PAPERS_CLAIMS] == list(range(1, len(PAPERS_CLAIMS) + 1))
    assert {claim.page for claim in CLAIMS} <= set(EXPERIMENTS)


@pytest.mark.parametrize("profile", ["smoke", "mini", "paper"])
@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.label)
def test_every_profile_has_variants_that_a_claim_compares(profile, claim):
    table = table_of(profile, claim.page)
    parts = claim.parts(table)
    assert parts
    if claim.number not in (9, 10, 12):  # of text that not every profile has
        lacking = {name for part in parts for name, arm in part.arms.items() if chosen(table, arm).empty}
        assert lacking <= ({IDPT, CDPT} if profile == "smoke" else set())


@pytest.mark.parametrize("claim", [claim for claim in CLAIMS if claim.paper], ids=lambda claim: claim.page)
def test_the_papers_effects_are_called_as_those_of_its_profile(claim):
    parts = [part for part in claim.parts(table_of("paper", claim.page)) if not part.aside]
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


def runs_with(name, *values, **more):
    return pd.DataFrame([{**PLAIN, "dataset": "imdb", name: value, **more} for value in values])


def test_layers_are_compared_by_depth_whatever_the_encoder():
    shallow, deep = (
        rules.depth(runs_with("features.depth", *((k + 1) / depth for k in range(depth)))) for depth in (6, 12)
    )
    assert {part.label for part in shallow} <= {part.label for part in deep}
    assert [part.gain for part in shallow] == [True, *[False] * 5]
    assert [*shallow[-1].arms.values()] == [{"features.depth": 1.0}, {"features.depth": 5 / 6}]
    assert shallow[-1].contrast.reference == "the layer at 100% of the depth"
    assert rules.depth(runs_with("features.pooler", True)) == []


def test_the_usual_steps_are_the_papers_else_the_last():
    [only] = rules.steps(runs_with("pretraining.steps", 0, 100, 400))
    assert only.contrast.weights == {"no steps": 1.0, "400 steps": -1.0}
    usual, more = rules.steps(runs_with("pretraining.steps", 0, 50_000, 100_000, 200_000))
    assert usual.contrast.weights == {"no steps": 1.0, "100,000 steps": -1.0}
    assert (more.label, more.gain) == ("2 times the usual steps against these", False)
    assert rules.steps(runs_with("pretraining.steps", 0)) == []


def rates(*multiples):
    corrected = runs_with("training.times_base", *multiples, **{"protocol.optimizer": "adamw"})
    without = runs_with("training.times_base", 2, 20, **{"protocol.optimizer": "adamw without bias correction"})
    return rules.rates(pd.concat([corrected, without]))


def test_the_high_rate_is_twenty_times_the_base_rate_with_bias_correction():
    forgotten, failing, *beside = rates(0.1, 1, 2, 20)
    assert forgotten.label == "forgetting at 20 times the base rate minus that at 1 times"
    assert [arm["training.times_base"] for arm in forgotten.arms.values()] == [1, 20]
    assert not (forgotten.untested or failing.untested or forgotten.aside or failing.aside)
    assert all(part.aside and "without bias correction" in part.label for part in beside)
    assert len(beside) == 4  # at two rates, each alone and beside the same rate with correction


def test_another_high_rate_is_no_test_of_the_claim():
    forgotten, failing, *_ = rates(0.5, 1, 5)
    assert failing.untested == forgotten.untested
    assert "about 20 times the base rate, but the page has 0.5, 1, 5 times" in failing.untested
    assert rules.rates(runs_with("training.learning_rate", 2e-5, 4e-4, **{"protocol.optimizer": "adamw"})) == []


def test_the_decay_is_compared_at_the_lowest_rate():
    table = runs_with("training.learning_rate", 0.00025, 0.0002, **{"training.layer_decay": 1.0})
    [part] = rules.decay(table, mild=0.95, smallest=rules.LITTLE)
    assert [arm["training.learning_rate"] for arm in part.arms.values()] == [0.0002, 0.0002]
    assert part.contrast.weights == {"decay 1.00": 1.0, "decay 0.95": -1.0}


def test_few_labels_are_about_a_hundred():
    few, more = rules.few_examples(runs_with("data.train", 20, 100, 500))
    assert few.untested == more.untested == ""
    assert {arm["data.train"] for arm in few.arms.values()} == {100}
    plain, pretrained, plain_most, pretrained_most = more.arms
    rates = {plain: 0.5, pretrained: 0.3, plain_most: 0.2, pretrained_most: 0.1}
    assert more.contrast.of(rates) == pytest.approx(0.2)
    few, _ = rules.few_examples(runs_with("data.train", 6, 38, 150, 1500))
    assert few.untested == "the claim is about 100 labels, but the page has 6, 38, 150, 1,500"


def test_a_larger_encoder_is_larger_than_the_smaller_one_as_published():
    cut = pd.concat([runs_with("encoder.layers", layers, **{"encoder.published_layers": 6}) for layers in (3, 6)])
    assert "with 6 layers, is no larger" in rules.larger_encoder(cut)[0].untested
    whole = pd.concat(
        [runs_with("encoder.layers", layers, **{"encoder.published_layers": layers}) for layers in (6, 12)]
    )
    assert rules.larger_encoder(whole)[0].untested == ""
