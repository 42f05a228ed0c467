from collections.abc import Callable, Sequence

import numpy as np
import pytest

from tcstudy.experiments.comparison import Comparison
from tcstudy.experiments.layer_decay import LayerDecay
from tcstudy.experiments.layers import Layers
from tcstudy.experiments.long_texts import LongTexts
from tcstudy.report import power
from tcstudy.report.claim_rules import saves
from tcstudy.report.intervals import LEVEL, Spread, quantile, spread
from tcstudy.report.measured import errors
from tcstudy.report.power import MEAN, Components, PastRuns, comparisons, components, half_width, prospects
from tcstudy.spec import RunSpec
from tcstudy.study.record import Predictions, Record

RUN = RunSpec.model_validate(
    {
        "data": {"name": "imdb", "train": 100, "validation": 20, "test": 300},
        "encoder": {"name": "bert-base-uncased"},
        "window": {"method": "head-only", "length": 64},
    }
)


def variant(changes: dict, seeds: Sequence[int]) -> list[RunSpec]:
    return [RUN.variant({**changes, "seed": seed, "data.draw": seed}) for seed in seeds]


def record(spec: RunSpec, wrong: np.ndarray) -> Record:
    test = Predictions.pack(np.zeros(len(wrong), dtype=int), np.eye(2)[wrong.astype(int)], np.ones(len(wrong)))
    return Record.model_construct(id=spec.id, spec=spec, outcome="finished", test=test)


def wrong_documents(generator: np.random.Generator, runs: int, rate: float, spread: float, hard: np.ndarray):
    """Errors of runs whose rates differ, on documents some of which are harder, shape (runs, documents)."""
    chances = np.clip(rate + spread * generator.standard_normal((runs, 1)) + hard, 0, 1)
    return generator.random((runs, len(hard))) < chances


def recorded(runs: Sequence[RunSpec], wrong: np.ndarray) -> list[Record]:
    return [record(run, row) for run, row in zip(runs, wrong, strict=True)]


def real_half_width(of: Spread) -> float:
    return quantile(1 - LEVEL, of) * of.error


def test_components_by_hand():
    runs, documents = np.array([0.0, 2.0]), np.array([0.0, 1.0, 2.0])
    found = components(runs[:, None] + documents)
    assert found == pytest.approx((2, 1, 0))
    assert found.planned(4, 10) == Spread(0, pytest.approx(0.5), pytest.approx(0.1), (3, 9))
    assert components(np.array([[1.0, 0.0], [0.0, 1.0]])) == (0, 0, 1)  # all of it is neither's
    assert Components(5, 1, 3).planned(1, 8) == Spread(0, 0, 0.5, (0, 7))  # one draw: over documents only


def test_a_plan_of_what_was_recorded_is_the_spread_of_what_was_recorded():
    generator = np.random.default_rng(0)
    values = generator.standard_normal((6, 1)) + generator.standard_normal((1, 40)) + generator.standard_normal((6, 40))
    planned, found = components(values).planned(6, 40), spread(values)
    assert planned[1:3] == pytest.approx(found[1:3])
    assert planned.freedom == found.freedom


@pytest.mark.parametrize("of", [(0.02, 0.3, 0.4), (0.0, 0.3, 0.3), (0.1, 0.0, 0.2)])
@pytest.mark.parametrize(("draws", "documents"), [(3, 100), (5, 100), (10, 50)])
def test_half_widths_are_those_of_the_estimator_on_average(of, draws, documents):
    generator = np.random.default_rng([draws, documents])
    runs, texts, rest = of
    found = []
    for _ in range(1500):
        values = runs * generator.standard_normal((draws, 1)) + texts * generator.standard_normal((1, documents))
        found.append(real_half_width(spread(values + rest * generator.standard_normal((draws, documents)))))
    planned = half_width([Components(runs**2, texts**2, rest**2).planned(draws, documents)])
    assert planned == pytest.approx(np.mean(found), rel=0.04)


def test_the_half_width_of_a_mean_over_data_sets_is_the_estimators_on_average():
    from tcstudy.report.intervals import combined

    generator = np.random.default_rng(3)
    sets = [Components(0.05**2, 0.2**2, 0.3**2), Components(0.01**2, 0.4**2, 0.1**2)]
    found = []
    for _ in range(1500):
        drawn = [
            np.sqrt(of.runs) * generator.standard_normal((5, 1))
            + np.sqrt(of.documents) * generator.standard_normal((1, 80))
            + np.sqrt(of.rest) * generator.standard_normal((5, 80))
            for of in sets
        ]
        found.append(real_half_width(combined([spread(values).times(0.5) for values in drawn])))
    assert half_width([of.planned(5, 80) for of in sets]) == pytest.approx(np.mean(found), rel=0.04)


@pytest.mark.parametrize("between", [0.0, 0.04])
def test_planned_from_records_is_what_verdicts_will_find(between):
    generator = np.random.default_rng(7)
    hard = generator.uniform(-0.1, 0.3, 300)
    many, few = range(100), range(5)
    ways = {"head-only": 0.2, "tail-only": 0.25}

    def drawn(seeds: Sequence[int]) -> dict[str, list[Record]]:
        return {
            way: recorded(
                variant({"window.method": way}, seeds), wrong_documents(generator, len(seeds), rate, between, hard)
            )
            for way, rate in ways.items()
        }

    past = PastRuns([each for runs in drawn(many).values() for each in runs])
    planned = past.variances(*(variant({"window.method": way}, many) for way in ("tail-only", "head-only")))
    assert planned.source == "own"
    found = []
    for _ in range(200):
        cells = {
            way: {(each.spec.data.draw, each.spec.seed): each for each in runs} for way, runs in drawn(few).items()
        }
        found.append(real_half_width(spread(errors(saves("tail-only", "head-only"), cells))))
    assert half_width([planned.shares.planned(5, 300)]) == pytest.approx(np.mean(found), rel=0.06)


def test_more_draws_help_against_runs_that_differ_more_texts_against_hard_ones():
    runs, texts = Components(0.01, 0, 0), Components(0, 0.01, 0)

    def width(of: Components, draws: int, documents: int) -> float:
        return half_width([of.planned(draws, documents)])

    assert width(runs, 10, 100) < 0.65 * width(runs, 5, 100)
    assert width(runs, 5, 200) == width(runs, 5, 100)
    assert width(texts, 10, 100) == width(texts, 5, 100)
    assert width(texts, 5, 200) == pytest.approx(width(texts, 5, 100) / np.sqrt(2), rel=0.01)


@pytest.fixture
def past() -> Callable[..., PastRuns]:
    """Makes the past of variants, each by what it changes, that err at random on two draws."""

    def make(*changes: dict) -> PastRuns:
        generator = np.random.default_rng(5)
        return PastRuns(
            [
                each
                for change in changes
                for each in recorded(variant(change, range(2)), generator.random((2, 300)) < 0.3)
            ]
        )

    return make


def test_the_nearest_records_are_taken(past):
    rates = [{"training.learning_rate": rate} for rate in (1e-5, 2e-5, 3e-5)]
    windows = [{"window.length": length} for length in (32, 128)]
    elsewhere = [{**change, "data.name": "ag_news"} for change in rates[:2]]
    pair = [variant(change, range(5)) for change in rates[:2]]
    assert past(*rates[:2]).variances(*pair).source == "own"
    assert past(rates[0], rates[2]).variances(*pair).source == "alike"
    assert past(*windows).variances(*pair).source == "set"
    assert past(*elsewhere).variances(*pair).source == "any"
    assert past(rates[0]).variances(*pair) is None
    assert past(rates[0], rates[2], *windows).variances(*pair) == past(rates[0], rates[2]).variances(*pair)


def test_pairs_of_other_training_documents_or_the_same_runs_tell_nothing(past):
    other_size = past({}, {"data.train": 50})
    assert other_size.variances(variant({"window.length": 32}, [0]), variant({"window.length": 16}, [0])) is None
    runs = variant({}, range(2))
    same = PastRuns(
        recorded(runs, np.ones((2, 9))) + recorded(variant({"window.length": 32}, range(2)), np.ones((2, 9)))
    )
    assert same.variances(runs, variant({"window.length": 32}, range(2))) is None


def test_variances_of_many_comparisons_are_their_medians():
    """The median of variances between three runs is below the true one, and corrected for that."""
    generator = np.random.default_rng(11)
    pooled = []
    for _ in range(400):
        values = 0.3 * generator.standard_normal((3, 1)) + 0.1 * generator.standard_normal((3, 50))
        pooled.append((components(values, power._median_of_chi_square(2)),) * 2)
    assert power._pooled(pooled, "set").points.runs == pytest.approx(0.09, rel=0.15)


def test_a_page_compares_what_its_claims_and_its_tables_do():
    page = {"encoder": {"name": "bert-base-uncased"}, "data": [{"name": "imdb"}]}
    methods = LongTexts.model_validate({**page, "methods": ["head-only", "tail-only", "head+tail"]})
    found = comparisons(methods)  # the claim's, which are those of the table the other way round
    assert [each.smallest for each in found] == [0.02, 0.02]
    assert [[run.window.method for runs in each.runs["imdb"] for run in runs.values()] for each in found] == [
        ["head+tail", "head-only"],
        ["head+tail", "tail-only"],
    ]
    decays = LayerDecay.model_validate({**page, "learning_rates": [2e-5], "decays": [1.0, 0.95, 0.9]})
    claimed, other = comparisons(decays)
    assert (claimed.smallest, other.smallest) == (0.01, None)
    decayed = [
        [run.training.layer_decay for of in each.runs["imdb"] for run in of.values()] for each in (claimed, other)
    ]
    assert decayed == [[0.95, 1.0], [0.9, 1.0]]
    kinds = Comparison.model_validate({**page, "data": [{"name": "trec"}, {"name": "imdb"}], "seeds": [0]})
    names = [each[:2] for each in comparisons(kinds)]
    assert ("BERT-FiT", "BERT-ITPT-FiT") in names
    assert ("BERT-IDPT-FiT", "BERT-ITPT-FiT") not in names  # both sets are the only ones of their kinds


def test_each_comparison_of_a_page_is_told_on_each_set_and_on_their_mean(past):
    page = {
        "encoder": {"name": "bert-base-uncased"},
        "data": [{"name": "imdb", "test": 300}, {"name": "ag_news", "test": 200}],
        "seeds": [0, 1, 2],
    }
    rates = past(*({"training.learning_rate": rate} for rate in (1e-5, 2e-5, 3e-5)))
    layers = Layers.model_validate({**page, "groups": ["last third"], "joins": ["mean"], "pooler": True})
    told = [each for each in prospects(layers, rates) if each.variant == "last third mean"]
    assert [(each.dataset, each.draws, each.documents, each.whole) for each in told] == [
        ("imdb", 3, 300, False),
        ("ag_news", 3, 200, False),
        (MEAN, 3, 500, True),
    ]
    assert told[2].sources == ("set", "any")
    assert told[2].share < max(told[0].share, told[1].share)
    assert told[2].smallest == 0.02
    assert not told[2].decides
    assert told[0].enough is None or told[0].share_with(draws=told[0].enough) <= 0.02
    methods = LongTexts.model_validate({**page, "methods": ["head-only", "head+tail"]})
    assert [(each.dataset, each.whole) for each in prospects(methods, rates)] == [("imdb", True), ("ag_news", True)]
    assert prospects(methods, PastRuns([])) == []


def test_the_draws_that_are_needed_are_the_fewest():
    planned = power.Planned("imdb", power.Variances(*[Components(0.001, 1e-5, 1e-3)] * 2, "own"), 5, 1000)
    of = power.Prospect("a", "b", 0.02, (planned,), True)
    assert half_width([planned.variances.shares.planned(of.enough, 1000)]) <= 0.02
    assert half_width([planned.variances.shares.planned(of.enough - 1, 1000)]) > 0.02
    hopeless = planned._replace(variances=power.Variances(*[Components(0.001, 1, 0)] * 2, "own"))
    assert power.Prospect("a", "b", 0.02, (hopeless,), True).enough is None
