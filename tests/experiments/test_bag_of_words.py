import pytest

from tcstudy.experiments import BagOfWords
from tcstudy.experiments.bag_of_words import BAG_OF_WORDS
from tcstudy.experiments.base import RunKey
from tcstudy.publish.parameters import read_parameters
from tcstudy.spec import BagOfWordsSpec

GIVEN = {
    "encoder": {"name": "minilm-l6-uncased"},
    "data": [{"name": "bbc_news"}, {"name": "rotten_tomatoes"}],
    "training": {"epochs": 2},
    "feature_training": {"learning_rate": 1e-3},
}


def test_features_are_read_from_an_encoder_that_stays_as_it_is():
    runs = BagOfWords.model_validate(GIVEN).runs()
    spec = runs[RunKey("bbc_news", "BERT-Feat", 0)]
    assert spec.canonical == (
        '{"data":{"name":"bbc_news"},"encoder":{"name":"minilm-l6-uncased"},"features":{"reader":"bilstm"},'
        '"training":{"frozen":true,"learning_rate":0.001}}'
    )
    assert runs[RunKey("bbc_news", BAG_OF_WORDS, 0)] == BagOfWordsSpec(data=spec.data)


def test_both_are_compared_with_fine_tuning():
    page = BagOfWords.model_validate(GIVEN)
    assert page.compared() == {BAG_OF_WORDS: "BERT-FiT", "BERT-Feat": "BERT-FiT"}
    assert len(page.runs()) == 3 * 2


def test_runs_of_a_seed_share_their_draw_of_documents():
    runs = BagOfWords.model_validate(GIVEN | {"seeds": [3, 4], "draw": "seed"}).runs()
    assert {(key.seed, run.data.draw) for key, run in runs.items()} == {(3, 3), (4, 4)}


@pytest.mark.parametrize("profile", ["smoke", "mini-2", "paper"])  # in mini the comparison begins with another encoder
def test_its_runs_are_those_of_the_comparison(request, profile):
    ours, theirs = (
        read_parameters(request.config.rootpath / "params" / profile / f"{page}.yaml").experiment.runs()
        for page in ("bag_of_words", "comparison")
    )
    assert ours.items() <= theirs.items()
