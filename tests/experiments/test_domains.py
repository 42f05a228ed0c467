from tcstudy.catalog.datasets import PAPER_DATASETS
from tcstudy.experiments import Domains
from tcstudy.experiments.base import RunKey
from tcstudy.experiments.domains import PLAIN, corpora
from tcstudy.publish.parameters import read_parameters
from tcstudy.report.published import printed_errors

GIVEN = {
    "encoder": {"name": "minilm-l6-uncased"},
    "data": [{"name": "bbc_news", "train": 48}, {"name": "rotten_tomatoes", "train": 48}],
    "window": {"length": 32},
    "pretraining": {"steps": 12},
}


def test_the_grid_of_the_paper_is_table_5(request):
    file = read_parameters(request.config.rootpath / "params" / "paper" / "domains.yaml")
    runs = file.experiment.runs()
    assert {(key.variant, key.dataset) for key in runs} == set(printed_errors("table-5").index)
    assert [*corpora([name for name in PAPER_DATASETS if name != "sogou"]), PLAIN] == list(
        printed_errors("table-5").index.get_level_values("row").unique()
    )
    assert {spec.window.head for spec in runs.values()} == {128}


def test_a_corpus_has_one_name_only():
    assert corpora(["bbc_news", "rotten_tomatoes"]) == {
        "rotten_tomatoes": ("rotten_tomatoes",),
        "bbc_news": ("bbc_news",),
        "all": ("bbc_news", "rotten_tomatoes"),
    }
    assert list(corpora(["imdb", "yelp_full"])) == ["imdb", "yelp_full", "all sentiment"]
    assert list(corpora(["trec"])) == ["trec"]


def test_every_corpus_for_every_set_and_the_plain_run():
    runs = Domains.model_validate(GIVEN).runs()
    assert len(runs) == 2 * 4 == len({spec.id for spec in runs.values()})
    for key, spec in runs.items():
        texts = [text.name for stage in spec.encoder.stages for text in stage.corpus]
        assert texts == {PLAIN: [], "all": ["bbc_news", "rotten_tomatoes"]}.get(key.variant, [key.variant])
        assert all(stage.recipe.excluding == ("bbc_news", "rotten_tomatoes") for stage in spec.encoder.stages)
    assert runs[RunKey("bbc_news", PLAIN, 0)].canonical == (
        '{"data":{"name":"bbc_news","train":48},"encoder":{"name":"minilm-l6-uncased"},"window":{"length":32}}'
    )
