from dataclasses import replace

import pytest

from tcstudy.catalog import encoders
from tcstudy.errors import StudyError
from tcstudy.experiments import Datasets
from tcstudy.publish.freshness import what_is_missing
from tcstudy.report.datasets import beside_paper, catalogue, found
from tcstudy.settings import Settings
from tcstudy.spec import EncoderSpec
from tcstudy.study.results import verify
from tcstudy.study.sets import set_found, set_spec, sets_store


def test_it_trains_nothing():
    assert Datasets.model_validate({"encoder": {"name": "tiny"}, "datasets": ["imdb"]}).runs() == {}


def test_a_set_that_does_not_exist_is_told():
    with pytest.raises(StudyError, match=r"a.yaml: datasets: 'imbd' is not a data set .* did you mean 'imdb'"):
        Datasets.parse({"encoder": {"name": "tiny"}, "datasets": ["imbd"]}, "a.yaml")


@pytest.fixture
def tiny() -> EncoderSpec:
    return EncoderSpec(name="tiny")


def test_our_numbers_stand_beside_the_papers(tiny):
    counted = set_found("bbc_news", tiny)
    words = counted.lengths.unpack()
    assert (len(words), list(words)) == (170, sorted(words))
    table = beside_paper({"bbc_news": counted}, limit=40)
    rows = {(row[0], row[1]): row[2:] for row in table.rows}
    assert rows["IMDb", "paper"] == ["sentiment", "2", "292", "3,045", "12.69%", "25,000", "25,000"]
    mean, longest, long = f"{words.mean():.0f}", f"{words.max()}", f"{(words > 40).mean():.2%}"
    assert rows["BBC News", "here"] == ["topic", "5", mean, longest, long, "120", "50"]
    assert len(rows) == 9
    assert found({"bbc_news": counted}).rows[0][:2] == ["BBC News", "local folder"]


@pytest.fixture
def as_of_the_catalogue(monkeypatch):
    """The tiny encoder taken for one whose tokenizer its name and revision tell."""
    facts = encoders.encoder_facts
    monkeypatch.setattr("tcstudy.study.sets.encoder_facts", lambda *name: replace(facts(*name), local=None))


def test_what_was_found_is_kept_and_needs_no_texts_afterwards(as_of_the_catalogue, monkeypatch, tiny):
    counted = set_found("bbc_news", tiny)
    assert [path.stem for path in sets_store().paths()] == [counted.id]
    assert any(check.subject == "data sets" and check.state == "ok" for check in verify(Settings.read()))
    monkeypatch.delenv("TCSTUDY_DATA")
    monkeypatch.setattr("tcstudy.corpora.loading.load_source", lambda name: pytest.fail("texts were read"))
    assert set_found("bbc_news", tiny) == counted


def test_a_page_is_whole_where_what_it_says_is_kept(as_of_the_catalogue, monkeypatch, tiny):
    page = Datasets.model_validate({"encoder": {"name": "tiny"}, "datasets": ["imdb"]})
    assert what_is_missing(page) == "imdb is not on this machine"
    spec = set_spec("imdb", tiny)
    counted = set_found("bbc_news", tiny)
    sets_store().put(counted.model_copy(update={"spec": spec, "id": spec.id}))
    assert what_is_missing(page) is None


def test_texts_that_are_here_are_counted_again_when_what_is_kept_was_of_others(as_of_the_catalogue, monkeypatch, tiny):
    counted = set_found("bbc_news", tiny)
    other = counted.model_copy(update={"test": counted.test.model_copy(update={"digest": "0" * 32})})
    sets_store().put(other)
    assert set_found("bbc_news", tiny) == counted


def test_nothing_is_kept_under_the_name_of_a_local_encoder(tiny):
    set_found("bbc_news", tiny)
    assert not sets_store().paths()


def test_the_catalogue_shows_every_set():
    assert len(catalogue().rows) == 11
