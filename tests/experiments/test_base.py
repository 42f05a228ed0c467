import pytest

from tcstudy.errors import StudyError
from tcstudy.experiments.base import LanguagesExperiment, PretrainingExperiment, RunKey
from tcstudy.spec import EncoderSpec, PretrainingRecipe

GIVEN = {
    "encoder": {"name": "bert-base-uncased"},
    "data": [{"name": "imdb"}, {"name": "yelp_full"}, {"name": "trec"}],
}


class Pretraining(PretrainingExperiment):
    page = "test"


class Languages(LanguagesExperiment):
    page = "test"

    def runs(self):
        return self.grid({"plain": {}})


def test_a_run_names_its_draw_only_if_there_are_several():
    assert str(RunKey("imdb", "plain", 1)) == "imdb, plain, seed 1"
    assert str(RunKey("imdb", "plain", 1, 2)) == "imdb, plain, seed 1, draw 2"


def test_a_single_data_set_needs_no_list():
    alone = Pretraining.model_validate(GIVEN | {"data": {"name": "imdb", "train": 10}})
    assert alone == Pretraining.model_validate(GIVEN | {"data": [{"name": "imdb", "train": 10}]})


def test_variants_can_depend_on_the_data_set():
    experiment = Pretraining.model_validate(GIVEN | {"seeds": [0, 1]})
    runs = experiment.grid(lambda data, seed: {f"{data.name} rate": {"training.learning_rate": len(data.name) * 1e-5}})
    assert [tuple(key)[:3] for key in runs] == [
        (name, f"{name} rate", seed) for name in ("imdb", "yelp_full", "trec") for seed in (0, 1)
    ]
    assert runs[RunKey("yelp_full", "yelp_full rate", 1)].training.learning_rate == pytest.approx(9e-5)


def test_each_seed_can_have_a_draw_of_its_own():
    experiment = Pretraining.model_validate(GIVEN | {"seeds": [10, 11], "draw": "seed"})
    runs = experiment.grid({"plain": {}})
    assert [(key.seed, key.draw) for key in runs if key.dataset == "imdb"] == [(10, 10), (11, 11)]
    assert all(run.data.draw == run.seed for run in runs.values())
    fixed = Pretraining.model_validate(GIVEN | {"seeds": [10, 11]}).grid({"plain": {}})
    assert {run.data.draw for run in fixed.values()} == {0}


def test_runs_take_several_pre_trainings_in_turn():
    experiment = Pretraining.model_validate(GIVEN | {"seeds": [10, 11, 12], "pretrainings": 2})
    seeds = [experiment.pretrained_on(["imdb"], seed=seed).stages[-1].recipe.seed for seed in experiment.seeds]
    assert seeds == [0, 1, 0]
    assert experiment.pretrained_on(["imdb"], seed=10) == experiment.pretrained_on(["imdb"])


def test_no_corpus_holds_rows_that_are_tested():
    data = [{"name": "trec", "train": 500, "test_from_train": 2000}, {"name": "imdb"}]
    [stage] = Pretraining.model_validate(GIVEN | {"data": data}).pretrained_on(["trec", "imdb"]).stages
    assert {text.name: text.test_from_train for text in stage.corpus} == {"imdb": 0, "trec": 2000}


def test_a_variant_that_changes_the_draw_stands_in_a_place_of_its_own():
    experiment = Pretraining.model_validate(GIVEN)
    assert RunKey("imdb", "few", 0, 3) in experiment.grid({"few": {"data.train": 10, "data.draw": 3}})


def test_no_corpus_holds_test_texts_of_the_pages_sets():
    experiment = Pretraining.model_validate(GIVEN | {"pretraining": {"steps": 10, "excluding": ["ag_news"]}})
    [stage] = experiment.pretrained_on(["trec"]).stages
    assert [text.name for text in stage.corpus] == ["trec"]
    assert stage.recipe == PretrainingRecipe(steps=10, excluding=("ag_news", "imdb", "trec", "yelp_full"))
    [other] = experiment.pretrained_on(["imdb", "yelp_full"]).stages
    assert other.recipe == stage.recipe


def test_pages_about_the_same_sets_share_encoders():
    one = Pretraining.model_validate(GIVEN)
    reordered = Pretraining.model_validate(GIVEN | {"data": GIVEN["data"][::-1], "seeds": [4]})
    fewer = Pretraining.model_validate(
        GIVEN | {"data": [{"name": "imdb", "train": 100}], "pretraining": {"excluding": ["trec", "yelp_full"]}}
    )
    assert one.pretrained_on(["imdb"]).id == reordered.pretrained_on(["imdb"]).id == fewer.pretrained_on(["imdb"]).id
    with_sogou = Pretraining.model_validate(GIVEN | {"data": [*GIVEN["data"], {"name": "sogou"}]})
    assert with_sogou.pretrained_on(["imdb"]).id == one.pretrained_on(["imdb"]).id  # texts of another language


def test_a_pretrained_encoder_survives_the_grid():
    experiment = Pretraining.model_validate(GIVEN)
    encoder = experiment.pretrained_on(["trec"])
    runs = experiment.grid({"pretrained": {"encoder": encoder}})
    assert {spec.encoder.id for spec in runs.values()} == {encoder.id}
    assert encoder.before == experiment.encoder


def test_a_corpus_is_of_one_language():
    experiment = Pretraining.model_validate(GIVEN | {"data": [{"name": "imdb"}, {"name": "sogou"}]})
    with pytest.raises(StudyError, match="one corpus cannot hold texts in several languages, but imdb, sogou are"):
        experiment.pretrained_on(["imdb", "sogou"])


def test_sets_by_language_and_kind():
    experiment = Pretraining.model_validate(GIVEN | {"data": [*GIVEN["data"], {"name": "sogou"}]})
    assert experiment.sets() == ("imdb", "yelp_full", "trec")
    assert experiment.sets(kind="sentiment") == ("imdb", "yelp_full")
    assert experiment.sets("zh") == ("sogou",)


def test_a_set_in_another_language_has_an_encoder_of_its_own():
    given = GIVEN | {"data": [{"name": "imdb"}, {"name": "sogou"}]}
    runs = Languages.model_validate(given | {"other_languages": {"zh": {"name": "bert-base-chinese"}}}).runs()
    assert runs[RunKey("imdb", "plain", 0)].encoder == EncoderSpec(name="bert-base-uncased")
    assert runs[RunKey("sogou", "plain", 0)].encoder == EncoderSpec(name="bert-base-chinese")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"data": [{"name": "sogou"}]}, "a.yaml: other_languages names no encoder for 'zh', the language of sogou"),
        ({"other_languages": {"de": {"name": "tiny"}}}, "other_languages: no data set is in the other language 'de'"),
        ({"other_languages": {"en": {"name": "tiny"}}}, "other_languages: no data set is in the other language 'en'"),
        ({"other_languages": {"zh": {"name": "bert-base-chinase"}}}, "did you mean 'bert-base-chinese'?"),
    ],
)
def test_a_mistake_in_languages_is_told(change, sentence):
    with pytest.raises(StudyError, match=sentence) as error:
        Languages.parse(GIVEN | change, "a.yaml")
    assert len(str(error.value).splitlines()) == 1
