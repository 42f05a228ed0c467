import numpy as np
import pytest

from tcstudy.errors import StudyError
from tcstudy.experiments.own_texts import BAG_OF_WORDS, FINE_TUNING, METHODS, PRETRAINED, OwnTexts, variant_name
from tcstudy.report import own_texts as report
from tcstudy.study.record import Predictions, Record
from tcstudy.study.run import run

PARAMETERS = {
    "encoder": {"name": "tiny"},
    "data": [{"name": "rotten_tomatoes", "train": 70, "validation": 20, "test": 30}],
    "window": {"length": 12},
    "labels": [20],
    "training": {"batch_size": 8, "epochs": 1},
    "seeds": [0, 1, 2, 3],
}


@pytest.fixture
def experiment():
    return OwnTexts.parse(PARAMETERS, "parameters")


@pytest.fixture
def records(experiment):
    """Records of all runs with made-up predictions: errors by method and number of labels, from four draws."""
    [base] = {key: spec for key, spec in experiment.runs().items() if key == next(iter(experiment.runs()))}.values()
    made = run(base)
    labels = made.test.labels.unpack().astype(int)

    def record(spec, rate, number) -> Record:
        generator = np.random.default_rng(number)
        hard = np.random.default_rng(5).permutation(len(labels)) / len(labels)  # the same for all
        wrong = hard + 0.02 * generator.standard_normal(len(labels)) < rate
        probabilities = np.full((len(labels), 2), 0.1)
        probabilities[np.arange(len(labels)), np.where(wrong, 1 - labels, labels)] = 0.9
        test = Predictions.pack(labels, probabilities)
        data = made.data.model_copy(update={"used_train": spec.data.train})
        return made.model_copy(update={"spec": spec, "id": spec.id, "test": test, "data": data})

    def of(rates):
        return {
            key: record(spec, rates[key.variant.rpartition(", ")[0], key.variant.endswith(" 20 labels")], number)
            for number, (key, spec) in enumerate(experiment.runs().items())
        }

    return of


def rates(bag, fine, pretrained, fewer=0.1):
    whole = dict(zip(METHODS, (bag, fine, pretrained), strict=True))
    return {(method, few): rate + (fewer if few else 0) for method, rate in whole.items() for few in (False, True)}


def test_each_seed_is_a_draw_and_methods_share_its_documents(experiment):
    runs = experiment.runs()
    assert len(runs) == 2 * 3 * 4
    assert experiment.sizes() == [20, 70]
    for key, spec in runs.items():
        assert spec.data.draw == key.seed == key.draw
    pretrained = {spec.encoder.id for key, spec in runs.items() if PRETRAINED in key.variant}
    assert len(pretrained) == 1
    two = OwnTexts.parse(PARAMETERS | {"pretrainings": 2}, "parameters").runs()
    assert len({spec.encoder.id for key, spec in two.items() if PRETRAINED in key.variant}) == 2


def test_few_labels_have_few_validation_documents_and_more_epochs(experiment):
    few = next(spec for key, spec in experiment.runs().items() if key.variant == variant_name(FINE_TUNING, 20))
    assert (few.data.train, few.data.validation) == (20, 5)
    assert few.training.epochs == 14  # three updates an epoch, 40 at least


def test_one_data_set_is_wanted():
    with pytest.raises(StudyError, match="about one data set"):
        OwnTexts.parse(PARAMETERS | {"data": [{"name": "rotten_tomatoes"}, {"name": "bbc_news"}]}, "x")


@pytest.mark.parametrize(
    ("errors", "method", "encoder"),
    [
        ((0.5, 0.2, 0.2), FINE_TUNING, FINE_TUNING),  # pre-training earns nothing
        ((0.5, 0.4, 0.1), PRETRAINED, PRETRAINED),
        ((0.2, 0.2, 0.2), BAG_OF_WORDS, FINE_TUNING),
        ((0.2, 0.5, 0.3), BAG_OF_WORDS, PRETRAINED),
    ],
)
def test_the_cheapest_method_that_none_was_shown_to_beat_is_recommended(experiment, records, errors, method, encoder):
    found = report.recommendation(experiment, records(rates(*errors)))
    assert (found.method, found.encoder) == (method, encoder)
    assert found.reason.count("points") >= 2


def test_two_draws_recommend_nothing_dearer_and_do_not_say_that_nothing_differs(experiment, records):
    two = OwnTexts.parse(PARAMETERS | {"seeds": [0, 1]}, "parameters")
    made = {key: record for key, record in records(rates(0.5, 0.2, 0.1)).items() if key.seed < 2}
    found = report.recommendation(two, made)
    assert found.method == BAG_OF_WORDS
    assert "on 2 draws: −28.3 (" in found.reason and "fewer than 3 decide nothing" in found.reason
    assert "significantly" not in found.reason


def test_differences_are_those_of_the_predictions(experiment, records):
    made = records(rates(0.5, 0.2, 0.2))
    found = report.measured(experiment, made)
    wrong = {
        method: np.mean([record.test.wrong for key, record in made.items() if key.variant == variant_name(method, 70)])
        for method in METHODS
    }
    difference = report.change(found[FINE_TUNING, 70], found[BAG_OF_WORDS, 70])
    assert difference.mean == pytest.approx(wrong[FINE_TUNING] - wrong[BAG_OF_WORDS])
    assert difference.high < 0
    table = report.methods_table(experiment, made)
    assert [row[0] for row in table.rows] == list(METHODS)
    assert f"{100 * difference.mean:+.1f} (".replace("-", "−") in table.rows[1][3]


def test_more_labels_pay_where_the_curve_still_falls(experiment, records):
    steep = report.more_labels(experiment, records(rates(0.5, 0.2, 0.2, fewer=0.3)))
    assert steep.text.startswith("Yes.")
    flat = report.more_labels(experiment, records(rates(0.5, 0.2, 0.2, fewer=0.0)))
    assert not flat.text.startswith("Yes.")


def test_confusions_and_texts_that_all_get_wrong(experiment, records):
    made = records(rates(0.5, 0.2, 0.2))
    shares = report.confusion(experiment, made)
    assert shares.to_numpy().sum(axis=1) == pytest.approx([1, 1])
    assert list(shares.index) == ["rotten", "fresh"]
    tests = [record.test for key, record in made.items() if key.variant.endswith(" 70 labels")]
    lost = int(np.all([test.wrong for test in tests], axis=0).sum())
    table = report.wrong_texts(experiment, made)
    assert lost and f" {lost} of 30 test documents" in table.note
    assert len(table.rows) == min(lost, report.MOST_SHOWN)
    assert all(label != predicted for _, label, predicted in table.rows)
