import datasets
import pytest

from tcstudy.catalog.rows import text_key
from tcstudy.corpora.loading import load_source
from tcstudy.corpora.text import load_general_text, load_text
from tcstudy.errors import StudyError
from tcstudy.spec import PretrainingSpec, TextSpec


def corpus(*names, **recipe):
    texts = tuple(TextSpec(name=name) for name in names)
    return PretrainingSpec.model_validate({"corpus": texts, "recipe": recipe})


def test_the_training_texts_are_taken_and_a_tenth_held_out():
    text = load_text(corpus("bbc_news"))
    assert len(text.train) == 108
    assert len(text.held_out) == text.report.held_out == 12
    together = {*text.train, *text.held_out}
    assert together == set(load_source("bbc_news").train["text"])
    assert text.language == "en"


@pytest.fixture
def overlapping(tmp_path, monkeypatch, data):
    """Two sets of one source: three training texts of one stand in the test split of the other, one in its own."""
    for name, other in [("yelp_full", "yelp_polarity"), ("yelp_polarity", "yelp_full")]:
        classes = {"yelp_full": 5, "yelp_polarity": 2}[name]
        train = [f"{name} {i}" for i in range(20)] + [f"{other} test {i}" for i in range(3)] + [f"{name} test 9"]
        test = [f"{name} test {i}" for i in range(10)]
        for part, texts in [("train", train), ("test", test)]:
            (tmp_path / name).mkdir(exist_ok=True)
            labels = [i % classes for i in range(len(texts))]
            datasets.Dataset.from_dict({"text": texts, "label": labels}).to_parquet(tmp_path / name / f"{part}.parquet")
    monkeypatch.setenv("TCSTUDY_DATA", str(tmp_path))


def test_texts_of_test_splits_are_removed_and_counted(overlapping):
    alone = load_text(corpus("yelp_full"))
    assert [used.removed for used in alone.report.sets] == [{"yelp_full": 1}]
    assert alone.report.sets[0].used == 23
    for text in (
        load_text(corpus("yelp_full", excluding=["yelp_polarity"])),
        load_text(corpus("yelp_full", "yelp_polarity")),
    ):
        assert text.report.sets[0].removed == {"yelp_full": 1, "yelp_polarity": 3}
        tests = {text_key(t) for name in ("yelp_full", "yelp_polarity") for t in load_source(name).test["text"]}
        assert not tests & {text_key(t) for t in [*text.train, *text.held_out]}


def test_as_released_test_texts_are_in(overlapping):
    text = load_text(corpus("yelp_full", protocol="released"))
    assert text.report.sets[0].found == text.report.sets[0].used == 34
    assert text.report.sets[0].removed == {}


def test_documents_are_drawn_by_their_seed():
    def drawn(draw):
        spec = PretrainingSpec(corpus=(TextSpec(name="bbc_news", documents=30, draw=draw),))
        return [*load_text(spec).train]

    assert drawn(0) == drawn(0) != drawn(1)
    assert len(drawn(0)) == 27


def test_general_text_comes_from_the_test_split():
    text = load_general_text(TextSpec(name="bbc_news", documents=20))
    assert len(text.held_out) == 20
    assert {*text.held_out} <= set(load_source("bbc_news").test["text"])


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"corpus": [{"name": "bbc_news", "documents": 1700}]}, "asks for 1,700 training texts, but 120 can be used"),
        ({"corpus": [{"name": "bbc_news", "documents": 1}]}, "needs two documents at least; bbc_news has less"),
        ({"corpus": [{"name": "bbc_news"}, {"name": "sogou"}]}, "of one language, not of en and zh"),
    ],
)
def test_a_corpus_that_cannot_be_is_told(spec, sentence):
    with pytest.raises(StudyError, match=sentence):
        load_text(PretrainingSpec.model_validate(spec))
