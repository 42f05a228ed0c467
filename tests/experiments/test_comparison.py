import pytest

from tcstudy.experiments import Comparison, Domains
from tcstudy.experiments.bag_of_words import BAG_OF_WORDS
from tcstudy.experiments.base import RunKey
from tcstudy.publish.parameters import read_parameters
from tcstudy.report.beside_paper import trained_by_the_paper

PROFILES = ("smoke", "mini-2", "paper")  # in mini, some of the pages begin with another encoder
OF_DOMAINS = {"BERT-FiT": "no further pre-training", "BERT-CDPT-FiT": "all"}


@pytest.fixture
def experiments(request):
    folder = request.config.rootpath / "params"
    return {
        (profile, page): read_parameters(folder / profile / f"{page}.yaml").experiment
        for profile in PROFILES
        for page in ("comparison", "domains")
    }


def test_the_grid_of_the_paper_is_table_6(experiments):
    runs = experiments["paper", "comparison"].runs()
    trained = {(key.variant, key.dataset) for key in runs if key.variant != BAG_OF_WORDS}
    assert trained == set(trained_by_the_paper().index)
    assert len({key.dataset for key in runs if key.variant == BAG_OF_WORDS}) == 8


def test_sogou_has_an_encoder_and_a_corpus_of_its_own(experiments):
    runs = experiments["paper", "comparison"].runs()
    assert {
        (spec.encoder.name, *(text.name for stage in spec.encoder.stages for text in stage.corpus))
        for key, spec in runs.items()
        if key.dataset == "sogou" and key.variant != BAG_OF_WORDS
    } == {("bert-base-chinese",), ("bert-base-chinese", "sogou")}
    assert runs[RunKey("sogou", "BERT-ITPT-FiT", 0)].encoder.stages[0].recipe.excluding == ("sogou",)


@pytest.mark.parametrize("profile", PROFILES)
def test_its_runs_are_those_of_the_page_on_domains(experiments, profile):
    runs = experiments[profile, "comparison"].runs()
    domains: Domains = experiments[profile, "domains"]
    theirs = domains.runs()
    for data in domains.data:
        for ours, row in {**OF_DOMAINS, "BERT-ITPT-FiT": data.name}.items():
            [seed, *_] = domains.seeds
            draw = domains.drawn(data, seed).draw
            assert runs[RunKey(data.name, ours, seed, draw)] == theirs[RunKey(data.name, row, seed, draw)]


def test_a_set_that_is_alone_in_its_language_has_no_domain():
    given = {"encoder": {"name": "minilm-l6-uncased"}, "data": [{"name": "bbc_news"}]}
    runs = Comparison.model_validate(given).runs()
    assert [key.variant for key in runs] == [BAG_OF_WORDS, "BERT-Feat", "BERT-FiT", "BERT-ITPT-FiT"]


def test_in_domain_text_of_a_kind_with_one_set_is_its_own():
    given = {"encoder": {"name": "minilm-l6-uncased"}, "data": [{"name": "trec"}, {"name": "imdb"}]}
    runs = Comparison.model_validate(given).runs()
    assert runs[RunKey("trec", "BERT-IDPT-FiT", 0)].id == runs[RunKey("trec", "BERT-ITPT-FiT", 0)].id
    assert runs[RunKey("trec", "BERT-CDPT-FiT", 0)].encoder.id == runs[RunKey("imdb", "BERT-CDPT-FiT", 0)].encoder.id
